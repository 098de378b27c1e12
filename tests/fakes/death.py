"""A command that is killed, and what must be true once the next ones have run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from orchestrator.evidence.audit import Audit
from orchestrator.release.phases import UNDO, Phase, Undo
from tests.fakes.faults import ALWAYS, Fault

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fakes.world import World

BLUE = ("notes-blue-1", "notes-blue-2")
GREEN = ("notes-green-1", "notes-green-2")


def has_switched(phase: Phase, moment: str) -> bool:
    """Whether users keep the new version where its release dies at the begin or the end of a phase."""
    forward = UNDO[phase] is Undo.FORWARD or phase is Phase.CONFIRM
    return forward or (phase, moment) == (Phase.PROMOTE, "end")


class Killed(BaseException):
    """What kill -9 does: nothing that would be done afterwards is done."""


def kill(world: World) -> None:
    """End the command here; the engine hears nothing more of it."""
    world.engine.fail(Fault(times=ALWAYS, error=Killed))
    raise Killed


def die(world: World, command: Callable[[], object]) -> None:
    """Run a command that is killed; its connections to the engine end with it."""
    with pytest.raises(Killed):
        command()
    bury(world)


def bury(world: World) -> None:
    """Let the engine notice that the command is dead."""
    world.hooks.clear()
    world.engine.faults.clear()
    world.host.lose_connections()


def colors(world: World) -> dict[str, str]:
    """Return the states of the service's containers."""
    return {name: state for name, state in world.states().items() if name != "gateway"}


def assert_clean(world: World, dead: int = 1) -> None:
    """One color runs whole, another one sleeps whole or is not there; all evidence is closed."""
    (served,) = world.serving()
    states = colors(world)
    running = {name for name, state in states.items() if state == "running"}
    assert running in (set(BLUE), set(GREEN)), states
    idle = set(states) - running
    assert idle in (set(), set(BLUE), set(GREEN)), states
    assert {states[name] for name in idle} <= {"exited"}
    assert world.host.cut == []
    assert world.status().recovery == ()
    findings = Audit(world.house.releases).check_all()
    assert {finding.state for finding in findings} == {"sound"}, findings
    outcomes = [world.evidence_of(finding.release)["outcome"] for finding in findings]
    assert outcomes.count("interrupted") <= dead
    assert world.deploy("v9").outcome == "deployed", served
    assert world.serving() == {"v9"}
    assert world.stored_configs() == (world.house.admin.serving(),)


def calls_of(world: World, command: Callable[[], object]) -> int:
    """Return how many calls of the engine a release makes once it has its lock."""
    begun: list[int] = []
    world.on_start(lambda: begun.append(len(world.engine.calls)))
    command()
    world.hooks.clear()
    return len(world.engine.calls) - begun[0]


def meet(world: World, fault: Fault) -> None:
    """Let the next release meet a fault once it has its lock."""
    world.hooks.clear()
    world.on_start(partial(world.engine.fail, fault))
