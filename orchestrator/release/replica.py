"""A container of a service, as its labels tell of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.gateway.lane import RELEASE
from orchestrator.stack import naming
from orchestrator.stack.forms import VERSION

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.engine.values import Container, Named
    from orchestrator.gateway.lane import Target
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

    @property
    def name(self) -> str:
        """Return the name that its labels lead to; it has another one while it is set aside."""
        stack = self.container.labels.get(naming.STACK, "")
        return naming.replica_name(stack, self.service, self.color, self.number)

    def belongs_to(self, target: Target | None) -> bool:
        """Whether it is one of those that make up a color of a lane."""
        return (
            target is not None
            and (self.color, self.version) == (target.color, target.version)
            and self.number <= target.replicas
        )

    @property
    def probed(self) -> str:
        """Return the replica as the gateway's probe knows it."""
        return f"{self.service}-{self.color}-{self.number}"


def to_replica(container: Container) -> Replica | None:
    """Read a replica's labels; None where they are not what its name says, or make no sense."""
    if not is_replica(container):
        return None
    labels = container.labels
    return Replica(
        container=container,
        service=labels.get(naming.SERVICE, ""),
        color=_color(labels),
        number=int(labels[naming.REPLICA]),
        version=labels[naming.VERSION],
        release=labels[naming.RELEASE],
        spec=labels.get(naming.SPEC, ""),
    )


def is_replica(container: Container | Named) -> bool:
    """Whether a container has the name that its labels lead to, be it set aside."""
    labels, color = container.labels, _color(container.labels)
    stack, service = labels.get(naming.STACK, ""), labels.get(naming.SERVICE, "")
    number = labels.get(naming.REPLICA, "")
    if not re.fullmatch(NUMBER, number):
        return False
    name = naming.replica_name(stack, service, color, int(number))
    return (
        labels.get(naming.COLOR) == color
        and re.fullmatch(VERSION, labels.get(naming.VERSION, "")) is not None
        and re.fullmatch(RELEASE, labels.get(naming.RELEASE, "")) is not None
        and container.name in (name, naming.aside_name(name))
    )


def _color(labels: Mapping[str, str]) -> Color:
    return "blue" if labels.get(naming.COLOR) == "blue" else "green"
