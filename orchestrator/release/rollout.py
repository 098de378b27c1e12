"""The release, on one page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import ConfigurationError
from orchestrator.release import steps
from orchestrator.release.lock import hold_lock
from orchestrator.release.observe import observe
from orchestrator.release.plan import Order
from orchestrator.release.recovery import recover
from orchestrator.release.run import Run
from orchestrator.release.version import previous_version

if TYPE_CHECKING:
    from orchestrator.engine.ports import Lease
    from orchestrator.release.house import House
    from orchestrator.release.result import Result


def deploy(house: House, order: Order, wait: float = 0.0) -> Result:
    """Release a version, or leave everything as it was; waits `wait` seconds for the lock.

    What a person can put right comes back in the result. Raises LockedError.
    """
    require_service(house, order.service)
    with hold_lock(house, f"{order.command} {order.service} {order.version}", wait) as lease:
        recover(house, lease)
        return release(house, order, lease)


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
        return release(house, Order(service, back_to, command="rollback", build=False), lease)


def _find_previous(house: House, service: str) -> str:
    snapshot = observe(house)
    kept = snapshot.kept(service)
    images = () if kept else house.engine.images(house.stack.name)
    return previous_version(snapshot, service, images)


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


def require_service(house: House, service: str) -> None:
    """Raise ConfigurationError unless stack.yaml has the service."""
    if service not in house.stack.services:
        known = ", ".join(f"`{name}`" for name in house.stack.services)
        raise ConfigurationError(f"there is no service `{service}`; stack.yaml has {known}")
