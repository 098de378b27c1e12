"""A unit, in each phase of each member: it fails, is interrupted, or dies; all have one version afterwards."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import EngineError, Interrupted
from orchestrator.release.phases import UNDO, Phase, Undo
from tests.fakes.death import Killed, bury, calls_of, die, has_switched, kill, meet
from tests.fakes.faults import ALWAYS, Fault
from tests.fakes.units import UNIT, UnitWorld
from tests.properties.budget import PROFILE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

STRIDE = 1 if PROFILE == "long" else 9  # calls from one that is spoilt to the next
MEMBERS = pytest.mark.parametrize("member", UNIT)
MOMENTS = pytest.mark.parametrize("moment", ["begin", "end"])
PHASES = pytest.mark.parametrize(
    "phase", [phase for phase in Phase if phase is not Phase.CONFIGURE]
)


@pytest.fixture
def world(tmp_path: Path) -> UnitWorld:
    """Return a stack whose unit has v1."""
    world = UnitWorld(tmp_path)
    world.up()
    return world


def fail() -> None:
    """Raise what an engine out of order raises."""
    raise EngineError("out of order")


def interrupt() -> None:
    """Do as Ctrl-C does."""
    raise Interrupted(2)


def skip_missing(member: str, phase: Phase) -> None:
    """A worker drains nothing, and only the leader migrates."""
    if member != "notes" and phase in (Phase.MIGRATE, Phase.DRAIN):
        pytest.skip("there is no such phase")


@MEMBERS
@MOMENTS
@PHASES
@pytest.mark.parametrize("fault", [fail, interrupt])
def test_a_failure_in_any_phase_of_any_member_leaves_one_version(
    world: UnitWorld, member: str, phase: Phase, moment: str, fault: Callable[[], None]
) -> None:
    """The old one, or the new one where the member had switched and there is nothing to stop for."""
    skip_missing(member, phase)
    world.on_phase_of(member, phase, moment, fault)
    result = world.deploy("v2")
    world.hooks.clear()

    forward = UNDO[phase] is Undo.FORWARD
    through = forward and (fault is fail or member == UNIT[-1])
    assert result.outcome == ("deployed" if through else "reverted")
    assert (result.exit_code == 0) == (through and fault is fail)
    world.prune()  # it releases nothing
    assert world.find_version() == ("v2" if through else "v1")
    assert world.status().drift == ()
    assert world.status().recovery == ()
    assert world.deploy("v3").outcome == "deployed"
    assert world.find_version() == "v3"


@MEMBERS
@MOMENTS
@PHASES
@pytest.mark.parametrize("command", ["deploy", "rollback"])
def test_a_death_in_any_phase_of_any_member_is_put_right_by_up(
    world: UnitWorld, member: str, phase: Phase, moment: str, command: str
) -> None:
    """It goes forward once the leader has switched, and else stays as it was."""
    skip_missing(member, phase)
    if command == "rollback" and phase is Phase.MIGRATE:
        pytest.skip("there is no such phase")
    if command == "rollback":
        world.deploy("v2")
    was, wanted = ("v2", "v1") if command == "rollback" else ("v1", "v2")
    world.on_phase_of(member, phase, moment, lambda: kill(world))
    die(world, world.rollback if command == "rollback" else partial(world.deploy, "v2"))
    world.up()

    switched = member != UNIT[0] or has_switched(phase, moment)
    assert world.find_version() == (wanted if switched else was)
    assert world.status().drift == ()
    assert world.status().recovery == ()


def test_a_death_on_the_way_back_is_put_right_by_up(tmp_path: Path) -> None:
    """At calls of the engine from the moment on in which the last member has failed."""
    number, over = 0, False  # of calls
    while not over:
        world = UnitWorld(tmp_path / str(number))
        world.up()

        def tear(world: UnitWorld = world, skip: int = number) -> None:
            world.engine.fail(Fault(skip=skip, times=ALWAYS, late=True, error=Killed))
            raise EngineError("out of order")

        world.on_phase_of("clock", Phase.GATE, "begin", tear)
        try:
            world.deploy("v2")
            over = True
        except Killed:
            pass
        bury(world)
        world.up()
        assert world.find_version() in ("v1", "v2"), number
        assert world.status().drift == (), number
        assert world.status().recovery == (), number
        number += STRIDE
    assert number > 50


def test_one_version_is_left_after_any_call_that_fails(tmp_path: Path) -> None:
    """What the command says is so; at most the next `up` has to bring the members together."""
    rehearsed = UnitWorld(tmp_path / "rehearsed")
    rehearsed.up()
    for skip in range(0, calls_of(rehearsed, lambda: rehearsed.deploy("v2")), STRIDE):
        world = UnitWorld(tmp_path / str(skip))
        world.up()
        meet(world, Fault(skip=skip))
        result = world.deploy("v2")
        world.hooks.clear()
        world.engine.faults.clear()
        if result.outcome in ("deployed", "reverted"):
            expected = "v2" if result.outcome == "deployed" else "v1"
            assert {*world.lanes().values()} == {expected}, (skip, result)
        world.up()
        assert world.find_version() in ("v1", "v2"), skip
        assert world.status().recovery == (), skip
