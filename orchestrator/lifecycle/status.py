"""The dashboard's facts: who serves, how healthy, and where the world differs from the wish."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from orchestrator.lifecycle.drift import find_drift
from orchestrator.release.diagnosis import diagnose
from orchestrator.release.lock import describe_lock
from orchestrator.release.observe import Snapshot, observe
from orchestrator.release.reach import describe_door, look_at_door, require_reachable
from orchestrator.release.wellbeing import find_healthy
from orchestrator.stack import naming

if TYPE_CHECKING:
    from orchestrator.gateway.admin import Connections
    from orchestrator.release.house import House
    from orchestrator.release.reach import Door, Trouble
    from orchestrator.release.replica import Replica


@dataclass(frozen=True)
class ColorStatus:
    """One color of a service."""

    version: str
    color: str
    healthy: int
    wanted: int


@dataclass(frozen=True)
class ServiceStatus:
    """A service's colors by what they are for."""

    name: str
    active: ColorStatus | None = None
    previous: ColorStatus | None = None
    candidate: ColorStatus | None = None
    step: str = "settled"  # how far a switch is: settled, staged, promoted
    share: int = 0  # percent of the clients that get the candidate


@dataclass(frozen=True)
class AccessoryStatus:
    """An accessory and whether it runs."""

    name: str
    state: str
    health: str


@dataclass(frozen=True)
class GatewayStatus:
    """The gateway, and the id of the config that it serves."""

    state: str
    config: str | None
    listen: str
    connections: int | None = None
    requests: int | None = None
    door: str = ""  # how the public door is: open, shut and the like; empty where nobody can ask
    trouble: str = ""  # what is wrong with it
    hint: str = ""


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

    def facts(self) -> dict[str, object]:
        """Return the status as JSON values."""
        return asdict(self)


def read_status(house: House) -> Status:
    """Look at the stack once: a fixed number of engine calls, one question at the public door, and one
    probe a running replica.

    Raises GatewayError where nothing can be asked from here: nobody knows how healthy it is then.
    """
    snapshot = observe(house)
    if snapshot.silent and snapshot.gateway:
        require_reachable(house, snapshot.gateway)
    connections: Connections | None = None
    door: Door | None = None
    healthy: frozenset[str] = frozenset()
    if snapshot.gateway and snapshot.gateway.running:
        with ThreadPoolExecutor(max_workers=2) as beside:
            asked = beside.submit(house.admin.connections)
            looked = beside.submit(look_at_door, house, snapshot)
            healthy = find_healthy(house, snapshot.replicas)
            connections, door = asked.result(), looked.result()
    return Status(
        stack=house.stack.name,
        gateway=_to_gateway(house, snapshot, connections, door),
        lock=describe_lock(snapshot.lock),
        services=tuple(
            _to_service(name, service.replicas, snapshot, healthy)
            for name, service in house.stack.services.items()
        ),
        accessories=tuple(
            AccessoryStatus(name, found.state, found.health)
            if (found := snapshot.accessories.get(name))
            else AccessoryStatus(name, "absent", "")
            for name in house.stack.accessories
        ),
        drift=tuple(find_drift(house, snapshot)),
        # While somebody holds the lock, what is half-done is being done.
        recovery=()
        if snapshot.lock
        else diagnose(house.stack, snapshot, healthy, relinked=False).texts,
    )


def _to_gateway(
    house: House, snapshot: Snapshot, connections: Connections | None, door: Door | None
) -> GatewayStatus:
    trouble: Trouble | None = describe_door(house, snapshot, door) if door else None
    return GatewayStatus(
        state=snapshot.gateway.state if snapshot.gateway else "absent",
        config=snapshot.config.id if snapshot.config else None,
        listen=str(house.stack.gateway.listen),
        connections=connections.open if connections else None,
        requests=connections.requests if connections else None,
        door=door or "",
        trouble=trouble.text if trouble else "",
        hint=trouble.hint if trouble else "",
    )


def _to_service(
    name: str, wanted: int, snapshot: Snapshot, healthy: frozenset[str]
) -> ServiceStatus:
    lane = snapshot.lane(name)
    live = lane.active.color if lane.active else None
    idle = naming.other(live) if live else "blue"
    other = _to_color(snapshot.of(name, idle), wanted, healthy)
    # Before a first release is over, nothing of the service has a lane.
    coming = lane.candidate is not None or live is None
    return ServiceStatus(
        name=name,
        active=(
            _to_color(snapshot.of(name, live), wanted, healthy)
            or ColorStatus(snapshot.version(name), live, 0, wanted)
            if live
            else None
        ),
        previous=None if coming else other,
        candidate=other if coming else None,
        step=lane.step,
        share=lane.share,
    )


def _to_color(
    replicas: tuple[Replica, ...], wanted: int, healthy: frozenset[str]
) -> ColorStatus | None:
    if not replicas:
        return None
    return ColorStatus(
        version=replicas[0].version,
        color=replicas[0].color,
        healthy=sum(replica.container.name in healthy for replica in replicas),
        wanted=wanted,
    )
