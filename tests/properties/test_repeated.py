"""`restart` and `scale` in each phase, and at any call of the engine: they fail, are interrupted, or die."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import EngineError, Interrupted
from orchestrator.evidence.audit import Audit
from orchestrator.release.phases import UNDO, Phase, Undo
from tests.fakes.death import Killed, bury, calls_of, colors, die, has_switched, kill, meet
from tests.fakes.faults import ALWAYS, Fault
from tests.fakes.units import UnitWorld
from tests.fakes.workers import find_overlaps, open_writer
from tests.fakes.world import World
from tests.properties.budget import STRIDE

if TYPE_CHECKING:
    from pathlib import Path

PHASES = [phase for phase in Phase if phase is not Phase.MIGRATE]  # nothing is migrated
COUNTS = {"restart": 2, "more": 3, "fewer": 1}  # replicas afterwards
COMMANDS = pytest.mark.parametrize("command", COUNTS)
MOMENTS = pytest.mark.parametrize("moment", ["begin", "end"])


def run(world: World, command: str) -> str:
    """Restart or scale the service; return what came of it."""
    result = world.restart() if command == "restart" else world.scale(COUNTS[command])
    return result.outcome


def open_second(folder: Path) -> World:
    """Return a stack that serves v2 from green, with v1 kept in blue."""
    folder.mkdir(exist_ok=True)
    world = World(folder)
    world.up()
    world.deploy("v2")
    return world


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return such a stack."""
    return open_second(tmp_path)


def has_phase(command: str, phase: Phase) -> bool:
    """Whether a command has a phase: only another number of addresses changes the config."""
    return phase is not Phase.CONFIGURE or command != "restart"


def assert_right(world: World, counts: set[int]) -> None:
    """Users have v2, from so many replicas as were there or wanted; nothing else runs, and v1 is the way back."""
    assert world.serving() == {"v2"}
    assert world.host.cut == []
    status = world.status()
    assert status.recovery == ()
    active = status.services[0].active
    assert active is not None
    assert active.healthy == active.wanted
    assert active.wanted in counts
    running = [name for name, state in colors(world).items() if state == "running"]
    assert len(running) == active.wanted
    assert not [name for name in colors(world) if name.endswith(".aside")]
    assert {found.state for found in Audit(world.house.releases).check_all()} == {"sound"}
    kept = world.house.admin.lanes()["notes"].kept
    assert kept is None or kept.version == "v1"
    back = world.rollback()
    assert (back.outcome, back.version) == ("deployed", "v1")
    assert world.serving() == {"v1"}
    assert world.deploy("v3").outcome == "deployed"
    assert world.host.cut == []


def fail() -> None:
    """Raise what an engine out of order raises."""
    raise EngineError("out of order")


def interrupt() -> None:
    """Do as Ctrl-C does."""
    raise Interrupted(2)


@COMMANDS
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize(("moment", "fault"), [("begin", fail), ("end", interrupt)])
def test_a_failure_in_any_phase_leaves_what_was(
    world: World, command: str, phase: Phase, moment: str, fault: object
) -> None:
    """Or what was wanted, where users had been moved already; the way back is there either way."""
    if not has_phase(command, phase):
        pytest.skip("there is no such phase")
    getattr(world, f"on_{moment}")(phase, fault)
    outcome = run(world, command)
    world.hooks.clear()

    through = UNDO[phase] is Undo.FORWARD
    assert outcome == ("deployed" if through else "reverted")
    world.prune()  # what is left over, where that was a warning
    assert_right(world, {COUNTS[command] if through else 2})


@COMMANDS
@MOMENTS
@pytest.mark.parametrize("phase", PHASES)
def test_a_death_in_any_phase_is_put_right_by_up(
    world: World, command: str, phase: Phase, moment: str
) -> None:
    """It ends with the old number or the new one, whole, and the version before is the way back."""
    if not has_phase(command, phase):
        pytest.skip("there is no such phase")
    getattr(world, f"on_{moment}")(phase, lambda: kill(world))
    die(world, lambda: run(world, command))
    assert world.serving() == {"v2"}
    world.up()

    assert_right(world, {COUNTS[command] if has_switched(phase, moment) else 2})


@pytest.mark.parametrize(("command", "late"), [("restart", False), ("more", True)])
def test_death_at_any_call(tmp_path: Path, command: str, late: bool) -> None:  # noqa: FBT001
    """Killed just before, or just after, calls of the engine."""
    rehearsed = open_second(tmp_path / "rehearsed")
    calls = calls_of(rehearsed, lambda: run(rehearsed, command))
    for skip in range(0, calls, 3 * STRIDE if STRIDE > 1 else 1):
        world = open_second(tmp_path / str(skip))
        meet(world, Fault(skip=skip, times=ALWAYS, late=late, error=Killed))
        try:
            run(world, command)
        except Killed:
            pass
        else:
            continue  # it was over before
        bury(world)
        assert world.serving() == {"v2"}, skip
        world.up()
        assert_right(world, {2, COUNTS[command]})


@MOMENTS
@pytest.mark.parametrize("phase", [phase for phase in PHASES if phase is not Phase.DRAIN])
def test_what_must_be_alone_is_never_twice(tmp_path: Path, phase: Phase, moment: str) -> None:
    """A restart of it dies in any phase."""
    if phase is Phase.CONFIGURE:
        pytest.skip("there is no such phase")
    world = open_writer(tmp_path)
    getattr(world, f"on_{moment}")(phase, lambda: kill(world))
    die(world, world.restart)
    world.up()

    assert world.serving() == {"v1"}
    assert world.status().recovery == ()
    assert world.restart().outcome == "deployed"
    assert find_overlaps(world.host.changes) == []


@MOMENTS
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("member", ["notes", "jobs", "clock"])
def test_a_unit_stays_even(tmp_path: Path, member: str, phase: Phase, moment: str) -> None:
    """A restart dies in any phase of any member: all have the version that they had, and go back as one."""
    if phase is Phase.CONFIGURE or (phase is Phase.DRAIN and member != "notes"):
        pytest.skip("there is no such phase")
    world = UnitWorld(tmp_path)
    world.up()
    world.deploy("v2")
    world.on_phase_of(member, phase, moment, lambda: kill(world))
    die(world, world.restart)
    world.up()

    assert world.find_version() == "v2"
    assert world.status().recovery == ()
    assert world.rollback().outcome == "deployed"
    assert world.find_version() == "v1"
