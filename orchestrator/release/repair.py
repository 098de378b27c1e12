"""Putting right what a release that died has left: first thing under the lock of every command."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.clock import poll
from orchestrator.errors import GatewayError
from orchestrator.events import Recovered, Warned
from orchestrator.evidence.interruption import close_interrupted
from orchestrator.release.candidate import in_parallel, put_away
from orchestrator.release.configs import open_gateway, switch_config
from orchestrator.release.lock import require_held
from orchestrator.release.observe import observe
from orchestrator.release.recovery import diagnose, needs_health
from orchestrator.release.wellbeing import find_healthy
from orchestrator.signals import put_off

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.engine.base import Container, Lease
    from orchestrator.gateway.apply import Gateway
    from orchestrator.release.house import House
    from orchestrator.release.observe import Snapshot
    from orchestrator.release.recovery import Recovery, Repair

BOOT_PATIENCE = 20.0  # seconds for NGINX to answer after its start
ASK_EVERY = 0.05


def put_right(house: House, lease: Lease) -> None:
    """Look for what a dead release has left, clear it away, and close its evidence.

    Raises StackctlError where that fails: nothing new should begin then.
    """
    snapshot = observe(house)
    if snapshot.silent:  # the link alone may be ahead of what users get, or behind it
        await_gateway(house)
        snapshot = observe(house)
    recovery = diagnose_now(house, snapshot)
    if snapshot.gateway is not None and recovery.texts:
        _carry_out(house, snapshot, snapshot.gateway, recovery, lease)
    for text in recovery.texts:
        house.emit(Recovered(text))
    found = [*close_evidence(house, recovery.texts), *recovery.texts]
    if found and snapshot.gateway is not None and snapshot.gateway.running:
        discard_strays(house, snapshot.gateway)


def close_evidence(house: House, texts: Sequence[str]) -> list[str]:
    """Close what dead releases have recorded, and say so; return their names."""
    names = []
    key, clock = house.evidence_key, house.clock
    with put_off():  # a signal would be taken for a fault of the page that is being drawn
        for release, trouble in close_interrupted(house.releases, texts, key, clock):
            names.append(release)
            house.emit(Recovered(f"the evidence of {release} is closed: it was interrupted"))
            if trouble:
                house.emit(Warned(f"the evidence of {release} is not whole: {trouble}"))
    return names


def await_gateway(house: House) -> None:
    """Return once NGINX answers. Raises GatewayError where it does not."""
    answered = poll(house.admin.serving, clock=house.clock, every=ASK_EVERY, within=BOOT_PATIENCE)
    if answered is None and house.admin.refuses():
        raise GatewayError(
            f"the gateway refuses its own host at {house.stack.gateway.admin}",
            "this engine does not hand the host's address on to containers; see SECURITY.md",
        )
    if answered is None:
        found = observe(house).gateway
        said = house.engine.logs(found.id, tail=3).strip() if found else "it is gone"
        raise GatewayError(
            f"the gateway does not answer at {house.stack.gateway.admin}: {said}",
            "see `stackctl logs gateway`; is another program on that port?",
        )


def diagnose_now(house: House, snapshot: Snapshot) -> Recovery:
    """Return what is to be put right, with the health asked where it matters."""
    asks = needs_health(snapshot) and snapshot.gateway is not None and snapshot.gateway.running
    healthy = find_healthy(house, snapshot.replicas) if asks else frozenset()
    return diagnose(house.stack, snapshot, healthy)


def _carry_out(
    house: House, snapshot: Snapshot, container: Container, recovery: Recovery, lease: Lease
) -> None:
    """Users first: the gateway takes up what is right, and what then gets no traffic goes."""
    gateway = open_gateway(house, container)
    require_held(lease)
    try:
        if recovery.routing is not None and snapshot.routing is not None:
            name = f"{house.clock.now():%Y%m%d-%H%M%S-%f}-recover"
            routing = replace(recovery.routing, id=f"{name}.recover")
            switch_config(house.stack, gateway, snapshot.routing, routing)
        for service, repair in recovery.repairs.items():
            _clear(house, gateway, service, repair, lease)
        in_parallel(house.engine.remove, [migration.id for migration in recovery.migrations])
    finally:
        gateway.close()


def discard_strays(house: House, container: Container) -> None:
    """Remove the configs that neither serve nor would after a restart."""
    gateway, snapshot = open_gateway(house, container), observe(house)
    serving = {routing.id for routing in (snapshot.routing, snapshot.current) if routing}
    if serving and not snapshot.silent:
        gateway.discard([name for name in gateway.stored() if name not in serving])


def _clear(house: House, gateway: Gateway, name: str, repair: Repair, lease: Lease) -> None:
    service = house.stack.services[name]
    found = [replica for replica in (*repair.remove, *repair.stop) if replica.container.running]
    if found:
        addresses = [replica.container.address for replica in found]
        drained = gateway.drain(addresses, service.port, house.stack.gateway.drain_timeout)
        if drained.cut:
            house.emit(Warned(f"{drained.cut} connections were cut at the end of the drain"))
    require_held(lease)
    in_parallel(house.engine.remove, [replica.container.id for replica in repair.remove])
    put_away(house.engine, service, repair.stop)
