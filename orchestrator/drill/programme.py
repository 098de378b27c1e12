"""What a drill goes through: the service, its versions, and the cases that were chosen: pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.drill.boundary import list_boundaries
from orchestrator.drill.faults import FAULTS, Case
from orchestrator.errors import ConfigurationError
from orchestrator.release.phases import Phase
from orchestrator.stack.unit import find_leader, list_unit

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestrator.drill.boundary import Boundary
    from orchestrator.stack.model import Service, Stack

ALL = "all"
COMMANDS = ("deploy", "rollback")
USUAL_FAULTS = ("kill", "candidate", "replica")
USUAL_PHASES = (Phase.GATE, Phase.PROMOTE, Phase.DRAIN)
SECOND = "drill"  # the version that the service's own takes turns with


@dataclass(frozen=True)
class Wish:
    """What the command line asks for; what is empty was left open."""

    service: str = ""
    versions: tuple[str, ...] = ()
    commands: Sequence[str] = ()
    faults: Sequence[str] = ()
    phases: Sequence[str] = ()


@dataclass(frozen=True)
class Programme:
    """What is done, in its order."""

    service: str
    versions: tuple[str, str]
    cases: tuple[Case, ...]


def draw_up(stack: Stack, wish: Wish) -> Programme:
    """Return the programme. Raises ConfigurationError where something is not known."""
    name = wish.service or next(
        (name for name, service in stack.services.items() if service.routes), ""
    )
    if name not in stack.services:
        raise ConfigurationError(
            f"there is no service `{name}`" if name else "no service has a route",
            f"stack.yaml has {', '.join(stack.services)}",
        )
    service = stack.services[name]
    leader = find_leader(stack, name)
    if leader is not None:
        raise ConfigurationError(
            f"`{name}` is released together with `{leader}`",
            f"a drill of that one strikes both: `stackctl drill {leader}`",
        )
    if service.build is None and not wish.versions:
        raise ConfigurationError(
            f"`{name}` is not built here, so there is no second version of it",
            "name two that take turns: `--versions V1 V2`",
        )
    first, second = wish.versions or (service.version, SECOND)
    if first == second:
        raise ConfigurationError(f"`{first}` is one version, two must take turns")
    faults = _pick(wish.faults or USUAL_FAULTS, [fault.key for fault in FAULTS], "fault")
    phases = _pick(wish.phases or USUAL_PHASES, list(Phase), "phase")
    cases = tuple(
        Case(command, boundary, fault, "" if member == name else member, bool(service.companions))
        for command in _pick(wish.commands or COMMANDS[:1], COMMANDS, "command")
        for fault in FAULTS
        if fault.key in faults
        for member in list_unit(stack, name)
        for boundary in _list_boundaries(stack.services[member], command)
        if boundary.phase in phases and (ALL in wish.phases or not boundary.begins)
        if fault.fits(command, boundary)
    )
    return Programme(name, (first, second), cases)


def _list_boundaries(service: Service, command: str) -> tuple[Boundary, ...]:
    migrates = service.migrate is not None
    return list_boundaries(command, migrates=migrates, drains=not service.is_worker)


def _pick(words: Iterable[str], known: Sequence[str], what: str) -> list[str]:
    """Return the words, each of them known; `all` means all."""
    picked = list(words)
    if ALL in picked:
        return list(known)
    for word in picked:
        if word not in known:
            raise ConfigurationError(f"there is no {what} `{word}`", f"known: {', '.join(known)}")
    return picked
