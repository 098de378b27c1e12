"""Putting right what a release that died has left: first thing under the lock of every command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.events import Recovered, Warned
from orchestrator.evidence.interruption import close_interrupted
from orchestrator.release.candidate import in_parallel, put_away
from orchestrator.release.configs import open_gateway, switch_config
from orchestrator.release.observe import observe
from orchestrator.release.recovery import diagnose, needs_health
from orchestrator.release.wellbeing import find_healthy

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.engine.base import Container
    from orchestrator.gateway.apply import Gateway
    from orchestrator.release.house import House
    from orchestrator.release.observe import Snapshot
    from orchestrator.release.recovery import Recovery, Repair


def put_right(house: House) -> None:
    """Look for what a dead release has left, clear it away, and close its evidence.

    The lock must be held. Raises StackctlError where that fails: nothing new should begin then.
    """
    recovery = diagnose_now(house, snapshot := observe(house))
    if snapshot.gateway is not None and recovery.texts:
        _carry_out(house, snapshot, snapshot.gateway, recovery)
    for text in recovery.texts:
        house.emit(Recovered(text))
    closed = close_interrupted(house.releases, recovery.texts, house.evidence_key, house.clock)
    found = [*_tell(house, closed), *recovery.texts]
    if found and snapshot.gateway is not None and snapshot.gateway.running:
        _discard_configs(house, snapshot.gateway)


def _tell(house: House, closed: Iterable[tuple[str, str]]) -> list[str]:
    names = []
    for release, trouble in closed:
        names.append(release)
        house.emit(Recovered(f"the evidence of {release} is closed: it was interrupted"))
        if trouble:
            house.emit(Warned(f"the evidence of {release} is not whole: {trouble}"))
    return names


def diagnose_now(house: House, snapshot: Snapshot) -> Recovery:
    """Return what is to be put right, with the health asked where it matters."""
    asks = needs_health(snapshot) and snapshot.gateway is not None and snapshot.gateway.running
    healthy = find_healthy(house, snapshot.replicas) if asks else frozenset()
    return diagnose(house.stack, snapshot, healthy)


def _carry_out(house: House, snapshot: Snapshot, container: Container, recovery: Recovery) -> None:
    """Users first: the gateway takes up what is right, and what then gets no traffic goes."""
    gateway = open_gateway(house, container)
    try:
        if recovery.routing is not None and snapshot.routing is not None:
            name = f"{house.clock.now():%Y%m%d-%H%M%S-%f}-recover"
            routing = recovery.routing.stamped(name, "recover")
            switch_config(house.stack, gateway, snapshot.routing, routing)
        for service, repair in recovery.repairs.items():
            _clear(house, gateway, service, repair)
        in_parallel(house.engine.remove, [migration.id for migration in recovery.migrations])
    finally:
        gateway.close()


def _discard_configs(house: House, container: Container) -> None:
    """Remove the configs that neither serve nor would after a restart."""
    gateway, snapshot = open_gateway(house, container), observe(house)
    serving = {routing.id for routing in (snapshot.routing, snapshot.current) if routing}
    if serving:
        gateway.discard([name for name in gateway.stored() if name not in serving])


def _clear(house: House, gateway: Gateway, name: str, repair: Repair) -> None:
    service = house.stack.services[name]
    found = [replica for replica in (*repair.remove, *repair.stop) if replica.container.running]
    if found:
        addresses = [replica.container.address for replica in found]
        drained = gateway.drain(addresses, service.port, house.stack.gateway.drain_timeout)
        if drained.cut:
            house.emit(Warned(f"{drained.cut} connections were cut at the end of the drain"))
    in_parallel(house.engine.remove, [replica.container.id for replica in repair.remove])
    put_away(house.engine, service, repair.stop)
