"""Putting right what a release that died has left: first thing under the lock of every command."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.clock import poll
from orchestrator.errors import GatewayError
from orchestrator.events import Recovered, Waiting, Warned
from orchestrator.evidence.archive import VERIFY
from orchestrator.evidence.interruption import close_interrupted
from orchestrator.gateway.store import Store
from orchestrator.release.candidate import (
    bring_back,
    discard,
    in_parallel,
    put_away,
    start_again,
)
from orchestrator.release.diagnosis import Diagnosis, Repair, adopt, diagnose, needs_health
from orchestrator.release.lock import require_held
from orchestrator.release.observe import observe
from orchestrator.release.plan import find_drain_timeout
from orchestrator.release.reach import read_complaints, require_door, require_reachable
from orchestrator.release.switch import Switch, warn_of_cut
from orchestrator.release.wellbeing import await_answers, find_healthy
from orchestrator.signals import put_off

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.engine.ports import Lease
    from orchestrator.engine.values import Container
    from orchestrator.gateway.apply import Gateway
    from orchestrator.release.house import House
    from orchestrator.release.observe import Snapshot

BOOT_PATIENCE = 20.0  # seconds for NGINX to answer after its start
USUAL_BOOT = 1.0  # seconds after which it is worth asking why it does not
ASK_EVERY = 0.05


def recover(house: House, lease: Lease) -> None:
    """Look for what a dead release has left, clear it away, and close its evidence.

    Raises StackctlError where that fails: nothing new should begin then.
    """
    snapshot = observe(house)
    if snapshot.silent:  # what is on disk may be ahead of what users get, or behind it
        await_gateway(house)
        snapshot = observe(house)
    snapshot = find_lost_links(house, snapshot)
    found = diagnose_now(house, snapshot)
    if snapshot.gateway is not None and found.texts:
        _carry_out(house, snapshot, snapshot.gateway, found, lease)
    for text in found.texts:
        house.emit(Recovered(text))
    told = [*close_evidence(house, found.texts), *found.texts]
    if told and snapshot.gateway is not None and snapshot.gateway.running:
        sweep(house, snapshot.gateway)


def close_evidence(house: House, texts: Sequence[str]) -> list[str]:
    """Close what dead releases have recorded, and say so; return their names."""
    names = []
    key, clock = house.evidence_key, house.clock
    with put_off():  # a signal would be taken for a fault of the page that is being drawn
        for release, trouble, left in close_interrupted(house.releases, texts, key, clock):
            if left:
                house.emit(Warned(f"the evidence of {release} is left as it is: {left}; {VERIFY}"))
                continue
            names.append(release)
            house.emit(Recovered(f"the evidence of {release} is closed: it was interrupted"))
            if trouble:
                house.emit(Warned(f"the evidence of {release} is not whole: {trouble}"))
    return names


def await_gateway(house: House) -> None:
    """Return once NGINX answers. Raises GatewayError where it does not."""

    def answers(within: float) -> bool:
        answered = poll(
            lambda: house.admin.config() or None, clock=house.clock, every=ASK_EVERY, within=within
        )
        return answered is not None

    house.emit(Waiting("until NGINX answers", BOOT_PATIENCE))
    if answers(USUAL_BOOT):
        return
    for within in (BOOT_PATIENCE - USUAL_BOOT, 0.0):
        gateway = observe(house).gateway
        if gateway is not None:
            require_reachable(house, gateway)
        if answers(within):
            return
    if house.admin.refuses() and house.admin.afar:
        raise GatewayError(
            "the gateway serves the config of an earlier stackctl, which cannot be asked from elsewhere",
            "run `stackctl up` of this version once on the engine's machine",
        )
    if house.admin.refuses():
        raise GatewayError(
            f"the gateway refuses its own host at {house.stack.gateway.admin}",
            "this engine does not hand the host's address on to containers; see SECURITY.md",
        )
    said = read_complaints(house, gateway) if gateway else "it is gone"
    raise GatewayError(
        f"the gateway does not answer at {house.stack.gateway.admin}: {said}",
        "see `stackctl logs gateway`; is another program on that port?",
    )


def find_lost_links(house: House, snapshot: Snapshot) -> Snapshot:
    """Make the links anew that are lost, from what is still on the gateway's disk."""
    gateway, config = snapshot.gateway, snapshot.config
    lost = {replica.service for replica in snapshot.replicas} - snapshot.lanes.keys()
    lost &= house.stack.services.keys()
    if gateway is None or config is None or not gateway.running or not lost:
        return snapshot
    with house.open_gateway(gateway) as opened:
        for service in sorted(lost):
            lane = adopt(service, snapshot, opened.stored_lanes(service))
            if lane is not None and lane.active is not None:
                opened.move(service, f"{stamp(house)}.relink", lane)
                text = f"`{service}`: its link was lost: users get {lane.active.version} again"
                house.emit(Recovered(text))
    return observe(house)


def diagnose_now(house: House, snapshot: Snapshot) -> Diagnosis:
    """Return what is to be put right, with the health asked where it matters."""
    asks = needs_health(snapshot) and snapshot.gateway is not None and snapshot.gateway.running
    healthy = find_healthy(house, snapshot.replicas) if asks else frozenset()
    return diagnose(house.stack, snapshot, healthy)


def sweep(house: House, container: Container) -> None:
    """Remove the configs, lanes and supplies that nothing leads to."""
    snapshot = observe(house)
    if snapshot.config is not None and not snapshot.silent:
        house.open_gateway(container).sweep({snapshot.config.id, snapshot.current})
        Store(house.engine, container.id).sweep()


def stamp(house: House) -> str:
    """Return a name that no other move has: the time to the microsecond."""
    return f"{house.clock.now():%Y%m%d-%H%M%S-%f}"


def _carry_out(
    house: House, snapshot: Snapshot, container: Container, found: Diagnosis, lease: Lease
) -> None:
    """Users first: the links lead to what is right, and what then gets no traffic goes.

    Where a color was stopped for a candidate, its lane goes on to say so until it runs again: whoever
    comes after a death would else take the candidate for what users had.
    """
    require_held(lease)
    with house.open_gateway(container) as gateway:
        if found.astray and snapshot.config is not None:
            gateway.turn(snapshot.config.id)
        moved = [name for name, found in found.repairs.items() if found.lane != snapshot.lane(name)]
        for service in moved:
            require_door(house, service)  # or nobody could confirm the move
        for service in moved:
            if not found.repairs[service].start:
                _move(house, gateway, service, found.repairs[service], lease)
        for service, repair in found.repairs.items():
            _clear(house, snapshot, gateway, service, repair, lease)
            if repair.start:
                require_held(lease)
                start_again(house.engine, repair.start)
                _move(house, gateway, service, repair, lease)
        left = (*found.migrations, *found.holders)
        in_parallel(house.engine.remove, [container.id for container in left])


def _move(house: House, gateway: Gateway, service: str, repair: Repair, lease: Lease) -> None:
    await_answers(house, repair.awaited, house.emit)
    require_held(lease)
    switch = Switch(house, gateway, service, stamp(house), house.emit)
    switch.move("recover", repair.lane)
    switch.confirm(repair.lane)


def _clear(
    house: House,
    snapshot: Snapshot,
    gateway: Gateway,
    name: str,
    repair: Repair,
    lease: Lease,
) -> None:
    service = house.stack.services[name]
    within = find_drain_timeout(house.stack, name)
    gone = (*repair.remove, *repair.stop, *repair.drop)
    for color in {replica.color for replica in gone if replica.container.running}:
        house.emit(Waiting(f"until {name} ({color}) has answered all of before", within))
        quiet = gateway.await_quiet(name, color, snapshot.table.of(name, color), within)
        warn_of_cut(quiet, house.emit)
    require_held(lease)
    discard(house.engine, service, [replica.container for replica in repair.remove])
    put_away(house.engine, service, repair.stop, house.emit)
    removed = service.model_copy(update={"keep": "removed"})
    put_away(house.engine, removed, repair.drop, house.emit)
    bring_back(house.engine, service, repair.back)
