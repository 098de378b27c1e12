"""What is kept for a rollback: a release that fails, or dies, does not take it away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import EngineError, StackctlError
from orchestrator.lifecycle.forecast import forecast
from orchestrator.release.phases import UNDO, Phase, Undo
from tests.fakes.apps import App
from tests.fakes.death import colors, die, kill
from tests.fakes.faults import Fault
from tests.fakes.world import World

if TYPE_CHECKING:
    from pathlib import Path

KEEPS = {"stopped": "exited", "running": "running"}
PHASES = [phase for phase in Phase if phase not in (Phase.CONFIGURE, Phase.MIGRATE)]
REVERTED = [phase for phase in PHASES if UNDO[phase] is not Undo.FORWARD]


@pytest.fixture(params=KEEPS)
def world(tmp_path: Path, request: pytest.FixtureRequest) -> World:
    """Return a stack that serves v2 from green, with v1 kept in blue."""
    world = World(tmp_path)
    world.notes["keep"] = request.param
    world.begin()
    assert world.deploy("v2").outcome == "deployed"
    assert colors(world) == as_before(world)
    return world


def as_before(world: World) -> dict[str, str]:
    """Return the states of the containers while v2 serves and v1 is kept."""
    state = KEEPS[world.notes["keep"]]
    return {f"notes-{color}-{n}": s for color, s in _states(state) for n in (1, 2)}


def _states(kept: str) -> tuple[tuple[str, str], ...]:
    return (("blue", kept), ("green", "running"))


def fail(_: object = None) -> None:
    """Raise what an engine out of order raises."""
    raise EngineError("out of order")


@pytest.mark.parametrize("phase", REVERTED)
def test_a_release_that_fails_leaves_the_way_back(world: World, phase: Phase) -> None:
    """The kept version has its names again, in the state that `keep` says, and serves when asked."""
    world.on_begin(phase, fail)
    assert world.deploy("v3").outcome == "reverted"
    world.hooks.clear()

    assert colors(world) == as_before(world)
    assert world.status().recovery == ()
    assert world.rollback().version == "v1"
    assert world.serving() == {"v1"}


@pytest.mark.parametrize("app", [App(healthy_after=1e9), App(crashes=True)])
def test_a_version_that_never_gets_well_leaves_the_way_back(world: World, app: App) -> None:
    """However it is ill: what was kept before is kept afterwards."""
    world.host.apps["v3"] = app
    assert world.deploy("v3").outcome == "reverted"
    assert colors(world) == as_before(world)
    assert world.rollback().version == "v1"


@pytest.mark.parametrize("method", ["rename", "run", "start", "unpersist"])
@pytest.mark.parametrize("skip", [0, 1])
def test_an_engine_that_fails_half_way_leaves_the_way_back(
    world: World, method: str, skip: int
) -> None:
    """One replica of two is set aside, or started: both come back."""
    world.engine.fail(Fault(method, skip=skip))
    outcome = world.deploy("v3").outcome
    world.engine.faults.clear()
    if outcome == "reverted":
        assert colors(world) == as_before(world)
        assert world.status().recovery == ()
        assert world.rollback().version == "v1"
    else:  # users were moved before it failed
        world.up()
        assert world.rollback().version == "v2"


def test_a_release_that_succeeds_replaces_what_was_kept(world: World) -> None:
    """And the plan says so."""
    (found,) = forecast(world.house, "notes", "v3").services
    texts = [step.partition(": ")[2] for step in found.steps]
    assert "set shop-notes-blue-1 (v1) aside" in texts
    assert "remove v1, which was kept so far" in texts
    assert world.deploy("v3").outcome == "deployed"
    assert {name.count("aside") for name in colors(world)} == {0}
    assert world.rollback().version == "v2"


@pytest.mark.parametrize("moment", ["begin", "end"])
@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("version", ["v3", "v1"])
def test_a_release_that_dies_leaves_a_way_back(
    world: World, version: str, phase: Phase, moment: str
) -> None:
    """To what was kept before, or, where users were moved already, to what they had.

    Also where the version that is released is the one that is kept.
    """
    getattr(world, f"on_{moment}")(phase, lambda: kill(world))
    die(world, lambda: world.deploy(version))
    (served,) = world.serving()
    world.up()

    assert world.serving() == {served}
    assert world.status().recovery == ()
    assert {name.count("aside") for name in colors(world)} == {0}
    assert len(colors(world)) == 4
    assert world.rollback().version == ("v1" if served == "v2" else "v2")


@pytest.mark.parametrize("phase", [Phase.START, Phase.GATE, Phase.PREVIEW])
def test_a_rollback_that_dies_leaves_the_way_back(world: World, phase: Phase) -> None:
    """What it woke goes to sleep again, and is kept."""
    world.on_end(phase, lambda: kill(world))
    die(world, world.rollback)
    world.up()

    assert colors(world) == as_before(world)
    assert world.rollback().version == "v1"


def test_a_rollback_without_a_kept_version_names_those_whose_images_are_there(
    tmp_path: Path,
) -> None:
    """The newest first, and not the one that serves."""
    world = World(tmp_path)
    world.notes["keep"] = "removed"
    world.begin()
    for version in ("v2", "v3"):
        world.deploy(version)
    with pytest.raises(StackctlError, match="images of v2, v1 are there") as caught:
        world.rollback()
    assert caught.value.hint == "name one: `stackctl rollback notes --to v2`"


def test_what_is_set_aside_counts_as_the_stack_s(world: World) -> None:
    """`down` takes it, and nobody calls it a stranger."""
    world.on_end(Phase.START, lambda: kill(world))
    die(world, lambda: world.deploy("v3"))
    assert any(name.endswith(".aside") for name in colors(world))
    world.take_down()
    assert world.states() == {}
