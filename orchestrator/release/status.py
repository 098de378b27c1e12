"""The dashboard's facts: who serves, how healthy, and where the world differs from the wish."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from orchestrator.errors import ConfigurationError
from orchestrator.gateway.render import render
from orchestrator.release.lock import describe_lock
from orchestrator.release.observe import Replica, Snapshot, observe
from orchestrator.release.recovery import diagnose
from orchestrator.release.specs import accessory_spec, gateway_spec, pick_secrets
from orchestrator.release.wellbeing import find_healthy
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.engine.base import Container
    from orchestrator.gateway.admin import Connections
    from orchestrator.release.house import House


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
    """Look at the stack once: a fixed number of engine calls, and one probe a running replica."""
    snapshot = observe(house)
    connections: Connections | None = None
    healthy: frozenset[str] = frozenset()
    if snapshot.gateway and snapshot.gateway.running:
        with ThreadPoolExecutor(max_workers=1) as beside:
            asked = beside.submit(house.admin.connections)
            healthy = find_healthy(house, snapshot.replicas)
            connections = asked.result()
    return Status(
        stack=house.stack.name,
        gateway=_to_gateway(house, snapshot, connections),
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
        recovery=() if snapshot.lock else diagnose(house.stack, snapshot, healthy).texts,
    )


def find_drift(house: House, snapshot: Snapshot) -> Iterator[str]:
    """Yield where what runs is not what stack.yaml, or NGINX's own config, says should run."""
    if snapshot.gateway is None:
        yield "the gateway does not exist"
        return
    yield from _gateway_drift(house, snapshot, snapshot.gateway)
    yield from _service_drift(house, snapshot)
    yield from _accessory_drift(house, snapshot)


def _gateway_drift(house: House, snapshot: Snapshot, gateway: Container) -> Iterator[str]:
    stack = house.stack
    if gateway.labels.get(naming.SPEC) != gateway_spec(stack).labels[naming.SPEC]:
        yield "the gateway runs with other settings than stack.yaml has"
    if snapshot.routing and render(stack, snapshot.routing) != snapshot.config:
        yield "the NGINX config is not the one that stack.yaml renders to"
    if snapshot.routing != snapshot.current:
        yield "NGINX serves another config than the one it would start with"


def _service_drift(house: House, snapshot: Snapshot) -> Iterator[str]:
    services = house.stack.services
    for name, service in services.items():
        active = snapshot.lane(name).active
        if active is None:
            yield f"service `{name}` has not been released"
            continue
        running = [r for r in snapshot.of(name, active.color) if r.container.running]
        if len(running) != service.replicas:
            yield f"service `{name}` runs {len(running)} of {service.replicas} replicas"
    for name in sorted({replica.service for replica in snapshot.replicas} - services.keys()):
        yield f"service `{name}` has containers, but stack.yaml does not have it"
    for stranger in snapshot.strangers:
        yield f"container `{stranger.name}` carries this stack's label, but is none of ours"


def _accessory_drift(house: House, snapshot: Snapshot) -> Iterator[str]:
    for name, accessory in house.stack.accessories.items():
        found = snapshot.accessories.get(name)
        try:
            secrets = pick_secrets(accessory.secrets, house.variables, f"accessories.{name}")
        except ConfigurationError as error:
            yield error.message
            continue
        wanted = accessory_spec(house.stack, name, secrets).labels[naming.SPEC]
        if found is None:
            yield f"accessory `{name}` does not exist"
        elif found.labels.get(naming.SPEC) != wanted:
            yield f"accessory `{name}` runs with other settings than stack.yaml has"


def _to_gateway(house: House, snapshot: Snapshot, connections: Connections | None) -> GatewayStatus:
    return GatewayStatus(
        state=snapshot.gateway.state if snapshot.gateway else "absent",
        config=snapshot.routing.id if snapshot.routing else None,
        listen=str(house.stack.gateway.listen),
        connections=connections.open if connections else None,
        requests=connections.requests if connections else None,
    )


def _to_service(
    name: str, wanted: int, snapshot: Snapshot, healthy: frozenset[str]
) -> ServiceStatus:
    live = snapshot.live_color(name)
    idle = naming.other(live) if live else "blue"
    other = _to_color(snapshot.of(name, idle), wanted, healthy)
    return ServiceStatus(
        name=name,
        active=(
            _to_color(snapshot.of(name, live), wanted, healthy)
            or ColorStatus(snapshot.version(name), live, 0, wanted)
            if live
            else None
        ),
        previous=None if _is_candidate(snapshot, name) else other,
        candidate=other if _is_candidate(snapshot, name) else None,
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


def _is_candidate(snapshot: Snapshot, service: str) -> bool:
    """Whether the color that does not serve is on its way in: it runs, the lock is held for it, and
    NGINX does not know it yet or knows it from the stage step.
    """
    active = snapshot.lane(service).active
    idle = snapshot.of(service, naming.other(active.color) if active else "blue")
    if snapshot.lock is None or not any(replica.container.running for replica in idle):
        return False
    command = snapshot.lock.labels.get(naming.PREFIX + "command", "").split()
    named = command[1:3] == [service, idle[0].version]
    newer = command == ["up"] and (active is None or idle[0].release > active.release)
    return (named or newer) and snapshot.lane(service).step != "promoted"
