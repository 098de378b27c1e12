"""What can be done to a release: each fault as one act, and what it may lead to."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.errors import LockedError, StackctlError, UnsafeError
from orchestrator.release.phases import Phase
from orchestrator.release.result import SLO_MISSED

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.drill.boundary import Boundary
    from orchestrator.drill.site import Actor, Site
    from orchestrator.gateway.lane import Lane
    from orchestrator.release.observe import Snapshot
    from orchestrator.release.replica import Replica
    from orchestrator.stack.model import Color

DEPLOYED = 0
REVERTED, UNSAFE = StackctlError.exit_code, UnsafeError.exit_code
LOCK_LOST = LockedError.exit_code


@dataclass(frozen=True)
class Case:
    """A command, and where it stands still to be struck by what."""

    command: str  # deploy, rollback or up
    boundary: Boundary
    fault: Fault
    companion: str = ""  # whose phases they are, where they are not those of the service itself
    in_unit: bool = False  # whether others are released together with it

    def __str__(self) -> str:
        """Return it in words."""
        whose = f", {self.companion}" if self.companion else ""
        return f"{self.fault.name} {self.boundary} of {self.command}{whose}"


@dataclass(frozen=True)
class Scene:
    """A release that stands still at a boundary, in the middle of its stack."""

    site: Site
    service: str
    actor: Actor
    seen: Snapshot

    @property
    def active(self) -> tuple[Replica, ...]:
        """Return the running replicas that users get."""
        active = self._lane.active
        return self._running(active.color) if active else ()

    @property
    def candidate(self) -> tuple[Replica, ...]:
        """Return the running replicas that came with this release, whoever gets them by now."""
        came = self._lane.candidate or self._lane.active
        return self._running(came.color if came else "blue")

    @property
    def _lane(self) -> Lane:
        return self.seen.lane(self.service)

    def _running(self, color: Color) -> tuple[Replica, ...]:
        found = self.seen.of(self.service, color)
        return tuple(replica for replica in found if replica.container.running)


def do_nothing(_: Scene) -> None:
    """Leave everything as it is."""


def fit_any(_command: str, _boundary: Boundary) -> bool:
    """Fit every moment of every command."""
    return True


def has_candidate(_: str, boundary: Boundary) -> bool:
    """Whether the candidate's replicas run, and are not yet what was released before."""
    return boundary.is_after(Phase.START) and not boundary.is_after(Phase.RETIRE)


def has_active(command: str, boundary: Boundary) -> bool:
    """Whether users are served: not before the first release has come to its switch."""
    return command != "up" or boundary.is_after(Phase.CONFIRM)


@dataclass(frozen=True)
class Fault:
    """Something that happens to a release while it stands still."""

    key: str  # on the command line
    name: str  # for people
    strike: Callable[[Scene], None]
    codes: tuple[int, ...]  # that the command may end with; negative: the signal that ended it
    fits: Callable[[str, Boundary], bool] = fit_any  # whether there is anything to strike
    cuts: bool = False  # nobody is served until it is over: what is lost meanwhile is counted apart
    severs: bool = False  # what was in flight on its victim is lost, and counted apart
    mend: Callable[[Scene], None] = do_nothing  # what a person does after the command has ended


def _kill_gateway(scene: Scene) -> None:
    if scene.seen.gateway is not None:
        scene.site.house.engine.signal(scene.seen.gateway.id, "KILL")


def _stop_gateway(scene: Scene) -> None:
    house = scene.site.house
    if scene.seen.gateway is not None:
        house.engine.stop(scene.seen.gateway.id, house.stack.gateway.drain_timeout)


def _kill_candidate(scene: Scene) -> None:
    scene.site.house.engine.signal(scene.candidate[0].container.id, "KILL")


def _kill_active(scene: Scene) -> None:
    scene.site.house.engine.signal(scene.active[0].container.id, "KILL")


def _send(number: signal.Signals) -> Callable[[Scene], None]:
    return lambda scene: scene.actor.send(number)


WITHOUT_GATEWAY = (DEPLOYED, REVERTED, UNSAFE, SLO_MISSED)
FAULTS = (
    Fault("kill", "kill -9 of stackctl", _send(signal.SIGKILL), (-signal.SIGKILL,)),
    Fault("interrupt", "Ctrl-C", _send(signal.SIGINT), (128 + signal.SIGINT,)),
    Fault("terminate", "SIGTERM", _send(signal.SIGTERM), (128 + signal.SIGTERM,)),
    Fault(
        "candidate",
        "kill of a candidate",
        _kill_candidate,
        (DEPLOYED, REVERTED, SLO_MISSED),
        fits=has_candidate,
        severs=True,
    ),
    Fault(
        "replica",
        "kill of an active replica",
        _kill_active,
        (DEPLOYED, SLO_MISSED),
        fits=has_active,
        severs=True,
    ),
    Fault("gateway-kill", "kill of the gateway", _kill_gateway, WITHOUT_GATEWAY, cuts=True),
    Fault("gateway-stop", "stop of the gateway", _stop_gateway, WITHOUT_GATEWAY, cuts=True),
)
