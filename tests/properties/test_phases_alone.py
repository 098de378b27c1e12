"""A worker or a service that must be alone, in each phase of its release: it fails, is interrupted, or dies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import EngineError, Interrupted
from orchestrator.release.phases import UNDO, Phase, Undo
from tests.fakes.death import assert_clean, colors, die, has_switched, kill
from tests.fakes.workers import find_overlaps, open_alone, open_writer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.world import World

BLUE = {"notes-blue-1": "running", "notes-blue-2": "running"}
PHASES = [phase for phase in Phase if phase not in (Phase.CONFIGURE, Phase.DRAIN)]
REVERTED = [phase for phase in PHASES if UNDO[phase] is not Undo.FORWARD]


@pytest.fixture(params=[open_alone, open_writer], ids=["worker", "service"])
def world(tmp_path: Path, request: pytest.FixtureRequest) -> World:
    """Return a stack whose service must be alone; v1 runs, in blue."""
    opened: World = request.param(tmp_path)
    return opened


def fail() -> None:
    """Raise what an engine out of order raises."""
    raise EngineError("out of order")


def interrupt() -> None:
    """Do as Ctrl-C does."""
    raise Interrupted(2)


@pytest.mark.parametrize("fault", [fail, interrupt])
@pytest.mark.parametrize("moment", ["begin", "end"])
@pytest.mark.parametrize("phase", REVERTED)
def test_a_failure_in_any_phase_leaves_the_old_one_at_work(
    world: World, phase: Phase, moment: str, fault: object
) -> None:
    """And only that one."""
    getattr(world, f"on_{moment}")(phase, fault)
    assert world.deploy("v2").outcome == "reverted"
    world.hooks.clear()

    assert colors(world) == BLUE
    assert find_overlaps(world.host.changes) == []
    assert world.status().recovery == ()
    assert_clean(world)
    assert find_overlaps(world.host.changes) == []


@pytest.mark.parametrize("moment", ["begin", "end"])
@pytest.mark.parametrize("phase", PHASES)
def test_a_release_that_dies_is_put_right_by_the_next_command(
    world: World, phase: Phase, moment: str
) -> None:
    """Exactly one version works afterwards, and never two."""
    getattr(world, f"on_{moment}")(phase, lambda: kill(world))
    die(world, lambda: world.deploy("v2"))
    world.prune()  # it releases nothing: what is right afterwards was put right

    assert world.serving() == {"v2" if has_switched(phase, moment) else "v1"}
    assert find_overlaps(world.host.changes) == []
    assert world.status().recovery == ()
    assert_clean(world)
    assert find_overlaps(world.host.changes) == []
