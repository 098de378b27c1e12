"""The dashboard's facts: who serves, how healthy, and where the world differs from the wish."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from orchestrator.certificates.table import warn_of_ends
from orchestrator.lifecycle.assets import read_assets
from orchestrator.lifecycle.certification import RENEW
from orchestrator.lifecycle.drift import find_drift
from orchestrator.release.count import find_count
from orchestrator.release.diagnosis import diagnose
from orchestrator.release.lock import describe_lock
from orchestrator.release.observe import Snapshot, observe
from orchestrator.release.reach import describe_door, find_url, look_at_door, require_reachable
from orchestrator.release.wellbeing import find_healthy
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.certificates.table import Certificate
    from orchestrator.engine.values import Container, Vitals
    from orchestrator.gateway.admin import Connections
    from orchestrator.lifecycle.assets import AssetsStatus
    from orchestrator.release.house import House
    from orchestrator.release.reach import Door, Trouble
    from orchestrator.release.replica import Replica
    from orchestrator.whereabouts import Whereabouts

VITALS_PATIENCE = 1.5  # seconds: whoever looks waits no longer for numbers
ALIVE = ("running", "restarting")
STAMP, STAMPED = "%Y%m%d-%H%M%S", 15  # what the name of a release begins with


@dataclass(frozen=True)
class Fares:
    """How containers fare together. None stands for what the engine has not said in time."""

    restarts: int = 0
    out_of_memory: bool = False
    memory: int | None = None  # bytes in use
    limit: int | None = None  # bytes


@dataclass(frozen=True)
class ColorStatus:
    """One color of a service."""

    version: str
    color: str
    healthy: int
    wanted: int
    age: float | None = None  # seconds since it was released
    fares: Fares | None = None  # all of its replicas together


@dataclass(frozen=True)
class ServiceStatus:
    """A service's colors by what they are for."""

    name: str
    active: ColorStatus | None = None
    previous: ColorStatus | None = None
    candidate: ColorStatus | None = None
    step: str = "settled"  # how far a switch is: settled, staged, promoted
    share: int = 0  # percent of the clients that get the candidate
    closed: bool = False  # users are told to come back, while a release replaces it
    paused: bool = False  # they are told so until `stackctl resume`
    url: str = ""  # where this machine finds it; empty where it has no route


@dataclass(frozen=True)
class AccessoryStatus:
    """An accessory and whether it runs."""

    name: str
    state: str
    health: str
    fares: Fares | None = None


@dataclass(frozen=True)
class GatewayStatus:
    """The gateway, and the id of the config that it serves."""

    state: str
    config: str | None
    listen: str
    connections: int | None = None
    requests: int | None = None
    shared: bool = False  # whether `listen` is the door that stacks share
    door: str = ""  # how the public door is: open, shut and the like; empty where nobody can ask
    trouble: str = ""  # what is wrong with it
    hint: str = ""
    fares: Fares | None = None


@dataclass(frozen=True)
class Status:
    """A stack at one moment."""

    stack: str
    gateway: GatewayStatus
    lock: dict[str, str] | None
    services: tuple[ServiceStatus, ...]
    accessories: tuple[AccessoryStatus, ...]
    drift: tuple[str, ...]
    recovery: tuple[str, ...]  # what the next command that changes something puts right first
    engine: Whereabouts | None = None  # which one it is
    certificates: tuple[Certificate, ...] = ()  # that are served
    warnings: tuple[str, ...] = ()  # of those that end soon
    assets: tuple[AssetsStatus, ...] = ()  # that the gateway has

    def facts(self) -> dict[str, object]:
        """Return the status as JSON values."""
        return asdict(self)


def read_status(house: House) -> Status:
    """Look at the stack once: a fixed number of engine calls, one more a service with assets, one question
    at the public door, and one probe a running replica.

    Raises GatewayError where nothing can be asked from here: nobody knows how healthy it is then.
    """
    snapshot = observe(house)
    if snapshot.silent and snapshot.gateway:
        require_reachable(house, snapshot.gateway)
    connections: Connections | None = None
    door: Door | None = None
    healthy: frozenset[str] = frozenset()
    with ThreadPoolExecutor(max_workers=4) as beside:
        beside.submit(lambda: house.whereabouts)  # the answer is there at the end
        stored = beside.submit(read_assets, house, snapshot.gateway)
        faring = beside.submit(house.engine.vitals, _list_running(snapshot), VITALS_PATIENCE)
        if snapshot.gateway and snapshot.gateway.running:
            asked = beside.submit(house.admin.connections)
            looked = beside.submit(look_at_door, house, snapshot)
            healthy = find_healthy(house, snapshot.replicas)
            connections, door = asked.result(), looked.result()
        seen = Seen(snapshot, healthy, faring.result(), house.clock.now())
    return Status(
        stack=house.stack.name,
        gateway=_to_gateway(house, seen, connections, door),
        lock=describe_lock(snapshot.lock),
        services=tuple(_to_service(house, name, seen) for name in house.stack.services),
        accessories=tuple(
            AccessoryStatus(name, found.state, found.health, seen.fares([found]))
            if (found := snapshot.accessories.get(name))
            else AccessoryStatus(name, "absent", "")
            for name in house.stack.accessories
        ),
        drift=tuple(find_drift(house, snapshot)),
        recovery=_find_left(house, snapshot, healthy),
        engine=house.whereabouts,
        certificates=snapshot.certificates.certificates,
        warnings=tuple(warn_of_ends(snapshot.certificates, seen.now, RENEW)),
        assets=stored.result(),
    )


def _find_left(house: House, snapshot: Snapshot, healthy: frozenset[str]) -> tuple[str, ...]:
    """Return what is half-done; while somebody holds the lock, it is being done."""
    if snapshot.lock:
        return ()
    return diagnose(house.stack, snapshot, healthy, relinked=False).texts


@dataclass(frozen=True)
class Seen:
    """What was learnt of the containers at one moment."""

    snapshot: Snapshot
    healthy: frozenset[str]
    vitals: Mapping[str, Vitals]
    now: datetime

    def fares(self, containers: Sequence[Container]) -> Fares | None:
        """Add up how containers fare; None where the engine has said nothing of any."""
        told = [self.vitals[one.id] for one in containers if one.id in self.vitals]
        if not told:
            return None
        used = [one.memory for one in told if one.memory is not None]
        limits = [one.limit for one in told if one.limit is not None]
        whole = len(used) == len(told)
        return Fares(
            restarts=sum(one.restarts for one in told),
            out_of_memory=any(one.out_of_memory for one in told),
            memory=sum(used) if whole else None,
            limit=sum(limits) if len(limits) == len(told) else None,
        )

    def age(self, release: str) -> float | None:
        """Return the seconds since a release began; its name begins with that time, in UTC."""
        try:
            began = datetime.strptime(release[:STAMPED], STAMP).replace(tzinfo=UTC)
        except ValueError:
            return None
        return max(0.0, (self.now - began).total_seconds())


def _list_running(snapshot: Snapshot) -> tuple[str, ...]:
    replicas = [replica.container for replica in snapshot.replicas]
    gateway = [snapshot.gateway] if snapshot.gateway else []
    parts = (*replicas, *snapshot.accessories.values(), *gateway)
    return tuple(container.id for container in parts if container.state in ALIVE)


def _to_gateway(
    house: House, seen: Seen, connections: Connections | None, door: Door | None
) -> GatewayStatus:
    snapshot = seen.snapshot
    trouble: Trouble | None = describe_door(house, snapshot, door) if door else None
    return GatewayStatus(
        state=snapshot.gateway.state if snapshot.gateway else "absent",
        config=snapshot.config.id if snapshot.config else None,
        listen=str(house.stack.gateway.listen),
        shared=house.stack.gateway.door is not None,
        connections=connections.open if connections else None,
        requests=connections.requests if connections else None,
        door=door or "",
        trouble=trouble.text if trouble else "",
        hint=trouble.hint if trouble else "",
        fares=seen.fares([snapshot.gateway]) if snapshot.gateway else None,
    )


def _to_service(house: House, name: str, seen: Seen) -> ServiceStatus:
    snapshot, lane = seen.snapshot, seen.snapshot.lane(name)
    wanted = find_count(house.stack.services[name], lane.active)
    live = lane.active.color if lane.active else None
    idle = naming.other(live) if live else "blue"
    beside = lane.candidate or lane.kept  # which may have another number
    other = _to_color(snapshot.of(name, idle), beside.replicas if beside else wanted, seen)
    # Before a first release is over, nothing of the service has a lane.
    coming = lane.candidate is not None or live is None
    return ServiceStatus(
        name=name,
        active=(
            _to_color(snapshot.of(name, live), wanted, seen)
            or ColorStatus(snapshot.version(name), live, 0, wanted)
            if live
            else None
        ),
        previous=None if coming else other,
        candidate=other if coming else None,
        step=lane.step,
        share=lane.share,
        closed=lane.closed,
        paused=lane.paused,
        url=find_url(house, name, snapshot.certificates),
    )


def _to_color(replicas: tuple[Replica, ...], wanted: int, seen: Seen) -> ColorStatus | None:
    if not replicas:
        return None
    return ColorStatus(
        version=replicas[0].version,
        color=replicas[0].color,
        healthy=sum(replica.container.name in seen.healthy for replica in replicas),
        wanted=wanted,
        age=seen.age(replicas[0].release),
        fares=seen.fares([replica.container for replica in replicas]),
    )
