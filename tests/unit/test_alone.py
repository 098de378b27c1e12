"""Workers that must be alone (`strategy: recreate`): one ends, then the next one starts, or the first again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import LockedError
from orchestrator.lifecycle.forecast import forecast
from orchestrator.release.phases import Phase
from orchestrator.wording import summarize
from tests.fakes.apps import App
from tests.fakes.death import colors, die, kill
from tests.fakes.faults import Fault
from tests.fakes.workers import WorkerWorld, find_overlaps, open_alone

if TYPE_CHECKING:
    from pathlib import Path

BLUE = {"notes-blue-1": "running", "notes-blue-2": "running"}
GREEN = {"notes-green-1": "running", "notes-green-2": "running"}


@pytest.fixture
def world(tmp_path: Path) -> WorkerWorld:
    """Return a stack whose worker must be alone; v1 runs, in blue."""
    return open_alone(tmp_path)


def test_the_old_version_ends_before_the_new_one_starts(world: WorkerWorld) -> None:
    """No two of them run in any moment."""
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("deployed", 0)
    assert colors(world) == {**dict.fromkeys(BLUE, "exited"), **GREEN}
    assert find_overlaps(world.host.changes) == []
    assert {name: world.host.box(f"shop-{name}").persistent for name in (*BLUE, *GREEN)} == {
        **dict.fromkeys(BLUE, False),
        **dict.fromkeys(GREEN, True),
    }


def test_for_how_long_nobody_worked_is_told(world: WorkerWorld) -> None:
    """In the evidence, in the result, and in words; it is no fault: the exit code is 0."""
    hold_up(world, 1.5)
    result = world.deploy("v2")

    assert result.exit_code == 0
    assert result.seconds["gap"] == 1.5
    assert [gap["seconds"] for gap in world.evidence(result)["gaps"]] == [1.5]
    assert "nobody worked for 1.5 s" in summarize(result)
    folder = world.house.releases / result.release
    for page in ("evidence.md", "report.html"):
        assert "nobody worked" in (folder / page).read_text()


def hold_up(world: WorkerWorld, seconds: float) -> None:
    """Let the start of the first of a candidate's containers take so long."""
    world.on_begin(
        Phase.START,
        lambda: world.engine.fail(Fault("run", error=lambda: world.clock.sleep(seconds))),
    )


def test_the_time_of_a_candidate_that_fails_counts_as_well(world: WorkerWorld) -> None:
    """It has not worked: nobody did until the old one was started again."""
    world.notes["health"] = {"command": ["ready"], "deadline": "4s"}
    world.host.apps["v2"] = App(healthy_after=99)
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert colors(world) == BLUE
    assert 4 <= result.seconds["gap"] < 5
    assert world.evidence(result)["undone"]["text"].endswith("the version before works again")


@pytest.mark.parametrize("app", [App(crashes=True), App(ends=0)])
def test_a_version_that_is_no_good_gives_way_to_the_old_one(world: WorkerWorld, app: App) -> None:
    """Which comes back with the engine, as before."""
    world.host.apps["v2"] = app
    assert world.deploy("v2").outcome == "reverted"
    assert colors(world) == BLUE
    assert all(world.host.box(f"shop-{name}").persistent for name in BLUE)
    assert find_overlaps(world.host.changes) == []
    assert world.status().recovery == ()


@pytest.mark.parametrize("skip", [0, 1])
def test_a_lock_that_is_lost_while_the_old_one_ends_starts_nothing(
    world: WorkerWorld, skip: int
) -> None:
    """That may take an hour: somebody else may have put things right meanwhile."""
    lost = Fault("stop", skip=skip, late=True, error=world.host.lose_connections)
    world.on_begin(Phase.START, lambda: world.engine.fail(lost))
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("interrupted", 5)
    assert colors(world) == dict.fromkeys(BLUE, "exited")
    world.hooks.clear()
    world.prune()
    assert colors(world) == BLUE


@pytest.mark.parametrize("command", ["deploy", "prune"])
def test_a_lock_that_is_lost_while_a_candidate_ends_starts_nothing(
    world: WorkerWorld, command: str
) -> None:
    """Whether the release that failed removes it, or the command that came after a death."""
    lost = Fault("remove", on="green", skip=1, late=True, error=world.host.lose_connections)
    if command == "deploy":
        world.host.apps["v2"] = App(crashes=True)
        world.engine.fail(lost)
        assert world.deploy("v2").exit_code == 5
    else:
        world.on_begin(Phase.GATE, lambda: kill(world))
        die(world, lambda: world.deploy("v2"))
        world.engine.fail(lost)
        with pytest.raises(LockedError):
            world.prune()

    assert colors(world) == dict.fromkeys(BLUE, "exited")
    world.prune()
    assert colors(world) == BLUE


def test_a_worker_that_must_be_alone_rolls_back_alone(world: WorkerWorld) -> None:
    """What it wakes starts once the other one has ended; where it fails, that one works again."""
    world.deploy("v2")
    assert world.rollback().version == "v1"
    world.on_begin(Phase.GATE, lambda: world.host.end("stop", world.host.box("shop-notes-green-1")))
    assert world.rollback().outcome == "reverted"

    assert world.serving() == {"v1"}
    assert colors(world) == {**BLUE, **dict.fromkeys(GREEN, "exited")}
    assert find_overlaps(world.host.changes) == []


def test_a_first_release_stops_nobody(tmp_path: Path) -> None:
    """And has no gap."""
    world = WorkerWorld(tmp_path, strategy="recreate")
    (result,) = world.up().services
    assert result.outcome == "deployed"
    assert "gap" not in result.seconds


def test_the_plan_says_who_is_stopped_for_whom(world: WorkerWorld) -> None:
    """Before what is started."""
    (found,) = forecast(world.house, "notes", "v2").services
    texts = [step for step in found.steps if step.startswith("start")]
    assert texts == [
        "start: stop shop-notes-blue-1 (v1), which must be alone",
        "start: stop shop-notes-blue-2 (v1), which must be alone",
        "start: start shop-notes-green-1",
        "start: start shop-notes-green-2",
    ]


def test_what_the_engine_brings_back_again_and_again_is_left_to_it(world: WorkerWorld) -> None:
    """The active version crashes at each start, and the new one is no better: it was there before."""
    for name in BLUE:
        world.host.box(f"shop-{name}").state = "restarting"
    world.host.apps["v2"] = App(crashes=True)
    assert world.deploy("v2").outcome == "reverted"
    assert colors(world) == BLUE


def test_what_nobody_runs_any_more_is_not_started_again(world: WorkerWorld) -> None:
    """Somebody has stopped it by hand, and the new version is no good: it stays as it was."""
    for name in BLUE:
        world.host.end("stop", world.host.box(f"shop-{name}"))
    world.host.apps["v2"] = App(crashes=True)
    assert world.deploy("v2").outcome == "reverted"
    assert colors(world) == dict.fromkeys(BLUE, "exited")
