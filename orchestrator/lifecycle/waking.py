"""A service whose containers were all stopped, as by `docker stop`: `up` starts the same ones again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.errors import CandidateError, EngineError, StackctlError
from orchestrator.events import Progress, Waiting, Warned
from orchestrator.lifecycle.findings import Findings, tell_mended
from orchestrator.release.candidate import start_again
from orchestrator.release.gate import pass_gate
from orchestrator.release.lock import require_held
from orchestrator.release.plan import Order, Plan, plan_release
from orchestrator.release.provision import provide
from orchestrator.release.reuse import is_resting, rouse

if TYPE_CHECKING:
    from orchestrator.engine.ports import Lease
    from orchestrator.release.house import House
    from orchestrator.release.observe import Snapshot


def wake_stopped(
    house: House, order: Order, snapshot: Snapshot, lease: Lease, findings: Findings
) -> Order:
    """Start the containers of a service again where all are stopped and all are as they should be.

    So nothing is released, and what is kept for a rollback stays kept. Nobody is served meanwhile,
    so nobody can get an answer that is worse. Returns the order that is left to be run: where they do
    not pass the gate, that of a release which makes them anew.
    """
    plan = find_waking(house, order, snapshot)
    if plan is None:
        return order
    require_held(lease)
    names = " and ".join(f"`{name}`" for name in plan.replicas)
    house.emit(Progress(f"starting {names} again"))
    try:
        start_again(house.engine, plan.wake)
        pass_gate(house, plan, house.emit, lambda what, within: house.emit(Waiting(what, within)))
    except (EngineError, CandidateError) as error:
        house.emit(Warned(f"started again, {error.message}; `{order.service}` is made anew"))
        return replace(order, unreached=frozenset(plan.replicas))
    were = "was" if len(plan.wake) == 1 else "were"
    tell_mended(house, findings, f"{names} {were} stopped, and {were} started again")
    return order


def find_waking(house: House, order: Order, snapshot: Snapshot) -> Plan | None:
    """Return the plan that starts a service's containers again; None where that is not the mend."""
    if not is_resting(snapshot, order.service):
        return None
    stopped = snapshot.active(order.service)
    try:
        given = provide(house, house.stack.services[order.service], f"services.{order.service}")
        image = stopped[0].container.image
        awake = rouse(snapshot, order.service)
        plan = plan_release(house.stack, awake, order, stopped[0].release, image, given)
    except StackctlError:
        return None  # the release says it
    return replace(plan, start=(), wake=stopped) if plan.unchanged else None
