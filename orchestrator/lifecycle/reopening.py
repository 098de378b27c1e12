"""A gateway that runs and that nobody gets to: restarted, where that helps."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.clock import poll
from orchestrator.errors import GatewayError
from orchestrator.events import Progress
from orchestrator.lifecycle.findings import Findings, tell_mended
from orchestrator.release.lock import require_held
from orchestrator.release.observe import observe
from orchestrator.release.reach import Door, describe_door, look_at_door
from orchestrator.release.recovery import await_gateway
from orchestrator.signals import put_off

if TYPE_CHECKING:
    from orchestrator.engine.ports import Lease
    from orchestrator.engine.values import ContainerSpec
    from orchestrator.release.house import House

OPEN_EVERY = 0.1  # seconds
OPEN_PATIENCE = 2.0  # seconds; what is only busy for a moment is not restarted


def reopen(
    house: House, spec: ContainerSpec, lease: Lease, findings: Findings, *, allow_downtime: bool
) -> bool:
    """Restart a gateway that nobody gets to; return whether that was needed.

    Nobody is locked out by that who was not before. Who got in earlier has `drain_timeout` to be
    answered. Raises GatewayError where users do not get in afterwards.
    """
    if opens(house):
        return False
    snapshot = observe(house)
    door = look_at_door(house, snapshot)
    trouble = describe_door(house, snapshot, door)
    if trouble is None or snapshot.gateway is None or door is Door.APART:
        return False  # the last one is put right once this gateway stands
    if door is Door.SHUT or (door is Door.HALF and allow_downtime):
        require_held(lease)
        house.emit(Progress(f"{trouble.text}: restarting {spec.name}"))
        with put_off():  # users would be left without a door
            house.engine.stop(snapshot.gateway.id, spec.stop_grace)
            house.engine.start(snapshot.gateway.id)
        await_gateway(house)
        if not opens(house):
            raise GatewayError(
                f"{trouble.text} and was restarted",
                "is a firewall in the way (`iptables -S`), or another program (`ss -ltnp`)?",
            )
        tell_mended(house, findings, f"{trouble.text}: it was restarted")
        return True
    if door in (Door.GONE, Door.DEAF):
        raise GatewayError(trouble.text, trouble.hint)
    if door is not Door.MOVED:  # that is told as drift
        findings.warnings.append(f"{trouble.text}: {trouble.hint}")
    return False


def opens(house: House) -> bool:
    """Whether users get in, at once or after a moment."""
    opened = poll(
        lambda: house.admin.opens() or None,
        clock=house.clock,
        every=OPEN_EVERY,
        within=OPEN_PATIENCE,
    )
    return opened is not None
