"""The release, on one page."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.errors import ConfigurationError, StackctlError
from orchestrator.events import Warned
from orchestrator.release import steps
from orchestrator.release.lock import hold_lock
from orchestrator.release.observe import observe
from orchestrator.release.plan import Order
from orchestrator.release.recovery import recover
from orchestrator.release.run import Run
from orchestrator.release.unit import conclude_unit, find_way_back, is_done, list_orders
from orchestrator.release.version import previous_version
from orchestrator.signals import held_back
from orchestrator.stack.unit import find_leader, list_unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.engine.ports import Lease
    from orchestrator.release.house import House
    from orchestrator.release.result import Result

GOES_BACK = (
    "what goes together is led back to one version; once more ends it here, and leaves it at two:"
    " `stackctl up` puts that right"
)


def deploy(house: House, order: Order, wait: float = 0.0) -> Result:
    """Release a version, or leave everything as it was; waits `wait` seconds for the lock.

    What a person can put right comes back in the result. Raises LockedError.
    """
    require_service(house, order.service)
    with hold_lock(house, f"{order.command} {order.service} {order.version}", wait) as lease:
        recover(house, lease)
        return release_unit(house, order, lease)


def rollback(house: House, service: str, version: str | None = None, wait: float = 0.0) -> Result:
    """Go back to the previous version, or to a named one, through the same gate.

    Which one that is shows only under the lock: before, it may be what somebody is releasing, or what
    a release that died has left.
    """
    require_service(house, service)
    command = f"rollback {service} {version}" if version else f"rollback {service}"
    with hold_lock(house, command, wait) as lease:
        recover(house, lease)
        back_to = version or _find_previous(house, service)
        return release_unit(house, Order(service, back_to, command="rollback", build=False), lease)


def _find_previous(house: House, service: str) -> str:
    """Return the version before: what the service keeps.

    One that was led back keeps nothing. Then it is what a companion keeps, which was not promoted.
    """
    snapshot = observe(house)
    active = snapshot.lane(service).active
    known = snapshot.kept(service) or (active and active.before)
    has = snapshot.version(service)
    companions = house.stack.services[service].companions
    others = (name for name in companions if snapshot.kept(name))
    other = next((name for name in others if snapshot.kept(name)[0].version != has), service)
    keeper = service if known else other
    images = () if snapshot.kept(keeper) else house.engine.images(house.stack.name)
    return previous_version(snapshot, keeper, images)


def release_unit(house: House, order: Order, lease: Lease) -> Result:
    """Release a service and then its companions, each as ever, under one lock that is held.

    Where one fails, those before it go back the same way. So all have the new version, or none.
    """
    orders = list_orders(house.stack, order)
    if len(orders) == 1:
        return release(house, order, lease)
    done: list[Result] = []
    error: StackctlError | None = None
    try:
        for member in orders:
            if done and done[-1].error:
                recover(house, lease)  # or the next release would pass over what this one left
            done.append(release(house, member, lease))
            if not is_done(done[-1]):
                break
    except StackctlError as failure:  # between two members; nobody had begun where there is none
        if not done:
            raise
        error = failure
    whole = len(done) == len(orders) and done[-1].went_through
    gone_back: list[Result] = []
    if not whole and done[0].went_through and not order.repeats:  # what is repeated is even
        stopped = len(done) - (not done[-1].went_through)
        why = error or done[-1].error
        failed = replace(orders[stopped], reason=why.message if why else "it was stopped")
        gone_back = take_back(house, done, failed, lease)
    runs = _find_versions(house, order.service)
    return conclude_unit(done, gone_back, runs, error, whole=whole)


def take_back(house: House, done: Sequence[Result], failed: Order, lease: Lease) -> list[Result]:
    """Lead those of a unit that were `done` back to what they had, since one has `failed`.

    A first signal does not stop that. It is not begun where nobody knows what users have, or where the
    lock is gone: the next `up` sees to it then.
    """
    gone_back: list[Result] = []
    if not lease.held or done[-1].outcome in ("failed_unsafe", "interrupted"):
        return gone_back
    with held_back(GOES_BACK):
        try:
            recover(house, lease)
            for order in find_way_back(done, failed, observe(house)):
                gone_back.append(release(house, order, lease))
                if not gone_back[-1].went_through:
                    break
        except StackctlError as error:
            house.emit(Warned(f"not taken back: {error.message}"))
    return gone_back


def _find_versions(house: House, leader: str) -> dict[str, str]:
    """Return who of a unit has which version now; nothing where nobody can tell."""
    try:
        snapshot = observe(house)
    except StackctlError as error:
        house.emit(Warned(f"who has which version is not known: {error.message}"))
        return {}
    return {name: snapshot.version(name) for name in list_unit(house.stack, leader)}


def release(house: House, order: Order, lease: Lease) -> Result:
    """Run one release under a lock that is held."""
    with Run(house, order, lease) as run:
        built = steps.build(run)
        planned = steps.plan(run, built)
        if not planned.plan.unchanged:
            configured = steps.configure(run, planned)
            migrated = steps.migrate(run, configured)
            started = steps.start(run, migrated)
            gated = steps.gate(run, started)
            previewed = steps.preview(run, gated)
            promoted = steps.promote(run, previewed)
            confirmed = steps.confirm(run, promoted)
            drained = steps.drain(run, confirmed)
            steps.retire(run, drained)
    return run.result


def require_known(house: House, service: str) -> None:
    """Raise ConfigurationError unless stack.yaml has the service."""
    if service not in house.stack.services:
        known = ", ".join(f"`{name}`" for name in house.stack.services)
        raise ConfigurationError(f"there is no service `{service}`; stack.yaml has {known}")


def require_service(house: House, service: str) -> None:
    """Raise ConfigurationError unless stack.yaml has the service, and releases it by its own name."""
    require_known(house, service)
    leader = find_leader(house.stack, service)
    if leader is not None:
        raise ConfigurationError(
            f"`{service}` is released together with `{leader}`, whose `with` names it",
            f"name that one: `{leader}` in place of `{service}`",
        )
