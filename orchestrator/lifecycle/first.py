"""A release that may be the first one: where nothing is there to release on, it brings the stack up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.events import Warned
from orchestrator.lifecycle.up import bring_up
from orchestrator.release.observe import observe
from orchestrator.release.rollout import deploy, require_service

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.release.house import House
    from orchestrator.release.observe import Snapshot
    from orchestrator.release.plan import Order
    from orchestrator.release.result import Result
    from orchestrator.stack.model import Stack


def deploy_or_bring_up(
    house: House, order: Order, wait: float = 0.0
) -> tuple[Result, tuple[Result, ...]]:
    """Release a version; first bring the stack up where what the service needs is not there.

    Return what came of it, and all releases in their order. Raises StackctlError.
    """
    require_service(house, order.service)
    missing = tuple(find_missing(house.stack, observe(house), order.service))
    if not missing:
        result = deploy(house, order, wait)
        return result, (result,)
    what = f"{' and '.join(missing)} not there on {house.whereabouts.told}"
    house.emit(Warned(f"{what}: the stack is brought up with this release"))
    results = bring_up(house, wait=wait, asked=order).services
    # The one that was asked for, or what failed before its turn came.
    own = next((one for one in results if one.service == order.service), results[-1])
    return own, results


def find_missing(stack: Stack, snapshot: Snapshot, service: str) -> Iterator[str]:
    """Yield what a service cannot be released without, and what only `up` brings."""
    if snapshot.gateway is None or not snapshot.gateway.running:
        yield "the gateway is"
        return
    for need in _list_needs(stack, service):
        if need in stack.services and snapshot.lane(need).active is None:
            yield f"`{need}` is"
        if need in stack.accessories:
            found = snapshot.accessories.get(need)
            if found is None or not found.running:
                yield f"`{need}` is"


def _list_needs(stack: Stack, service: str) -> list[str]:
    """Return what a service needs, and what that needs; it goes in no circle."""
    found: dict[str, None] = {}
    queue = [service]
    while queue:
        name = queue.pop()
        needs = stack.services[name].needs if name in stack.services else ()
        queue += [need for need in needs if need not in found]
        found |= dict.fromkeys(needs)
    return list(found)
