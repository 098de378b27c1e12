"""What is there: read from the engine's labels and from the config that NGINX serves.

A snapshot takes a fixed number of engine calls, however many containers there are.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.errors import NotFound
from orchestrator.gateway.render import CURRENT
from orchestrator.gateway.routing import RELEASE, Lane, Routing, parse_config
from orchestrator.stack import naming
from orchestrator.stack.model import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.engine.base import Container
    from orchestrator.release.house import House
    from orchestrator.stack.model import Color


NUMBER = r"[1-9][0-9]{0,2}"


@dataclass(frozen=True)
class Replica:
    """A container of a service, with what its labels say."""

    container: Container
    service: str
    color: Color
    number: int
    version: str
    release: str
    spec: str


@dataclass(frozen=True)
class Snapshot:
    """A stack as it was found."""

    replicas: tuple[Replica, ...] = ()
    gateway: Container | None = None
    lock: Container | None = None
    accessories: Mapping[str, Container] = field(default_factory=dict)
    migrations: tuple[Container, ...] = ()
    strangers: tuple[Container, ...] = ()  # labelled as ours, but not as we label
    routing: Routing | None = None  # what NGINX serves, or will when it comes back
    current: Routing | None = None  # what the link in the volume names; differs after a crash
    config: str = ""  # text of the config that serves
    silent: bool = False  # NGINX runs and does not answer: all that is known is the link

    def lane(self, service: str) -> Lane:
        """Return who gets a service's traffic."""
        return self.routing.lane(service) if self.routing else Lane()

    def of(self, service: str, color: Color) -> tuple[Replica, ...]:
        """Return one color's replicas, in the order of their numbers."""
        found = (r for r in self.replicas if r.service == service and r.color == color)
        return tuple(sorted(found, key=lambda replica: replica.number))

    def live_color(self, service: str) -> Color | None:
        """Return the color that users get."""
        active = self.lane(service).active
        return active.color if active else None

    def version(self, service: str) -> str:
        """Return the version that users get; empty where there is none."""
        active = self.lane(service).active
        return active.version if active else ""


def observe(house: House) -> Snapshot:
    """Look at the stack. Raises EngineError."""
    containers = house.engine.containers(house.stack.name)
    by_role: dict[str, list[Container]] = {}
    for container in filter(is_ours, containers):
        by_role.setdefault(container.labels[naming.ROLE], []).append(container)
    replicas = map(to_replica, by_role.get("service", ()))
    gateway = next(iter(by_role.get("gateway", ())), None)
    current, served, text, silent = _read_gateway(house, gateway)
    return Snapshot(
        replicas=tuple(replica for replica in replicas if replica),
        gateway=gateway,
        lock=next(iter(by_role.get("lock", ())), None),
        accessories={
            container.labels.get(naming.SERVICE, ""): container
            for container in by_role.get("accessory", ())
        },
        migrations=tuple(by_role.get("migration", ())),
        strangers=tuple(container for container in containers if not is_ours(container)),
        routing=served or current,
        current=current,
        config=text,
        silent=silent,
    )


def is_ours(container: Container) -> bool:
    """Whether a container has the name that its labels lead to.

    Others may wear our labels: whatever is started by hand from an image that was built here does.
    """
    labels = container.labels
    role, service = labels.get(naming.ROLE), labels.get(naming.SERVICE, "")
    if role == "service":
        return to_replica(container) is not None
    parts = {
        "migration": f"{service}-migration",
        "accessory": service,
        "gateway": "gateway",
        "lock": "lock",
    }
    return role in parts and container.name == naming.part_name(
        labels.get(naming.STACK, ""), parts[role]
    )


def to_replica(container: Container) -> Replica | None:
    """Read a replica's labels; None where they are not what its name says, or make no sense."""
    labels = container.labels
    stack, service = labels.get(naming.STACK, ""), labels.get(naming.SERVICE, "")
    color: Color = "blue" if labels.get(naming.COLOR) == "blue" else "green"
    number = labels.get(naming.REPLICA, "")
    version, release = labels.get(naming.VERSION, ""), labels.get(naming.RELEASE, "")
    if (
        labels.get(naming.COLOR) != color
        or not re.fullmatch(NUMBER, number)
        or not re.fullmatch(VERSION, version)
        or not re.fullmatch(RELEASE, release)
        or container.name != naming.replica_name(stack, service, color, int(number))
    ):
        return None
    spec = labels.get(naming.SPEC, "")
    return Replica(container, service, color, int(number), version, release, spec)


def _read_gateway(
    house: House, gateway: Container | None
) -> tuple[Routing | None, Routing | None, str, bool]:
    """Return what the link names, what NGINX serves, the text of the latter, and if it is silent."""
    if gateway is None:
        return None, None, "", False
    text = house.admin.config() if gateway.running else ""
    if text:
        return parse_config(house.admin.current()), parse_config(text), text, False
    try:
        text = house.engine.read(gateway.id, CURRENT)
    except NotFound:
        text = ""
    return parse_config(text), None, text, gateway.running
