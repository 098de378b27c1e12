"""Services with users that must be alone (`strategy: recreate`): closed, replaced, opened again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.events import Closed, Event, Idle, PhaseBegan, PhaseEnded, Warned
from orchestrator.evidence.samples import Sample
from orchestrator.gateway.admin import CLOSED
from orchestrator.gateway.lane import Lane, Target, parse_lane
from orchestrator.lifecycle.forecast import forecast
from orchestrator.release.phases import Phase
from orchestrator.release.witness import HEARD_WITHIN, await_first_answers
from orchestrator.wording import summarize
from tests.fakes.apps import App
from tests.fakes.death import Killed, colors, die, kill
from tests.fakes.faults import ALWAYS, Fault
from tests.fakes.workers import WriterWorld, find_overlaps, open_writer

if TYPE_CHECKING:
    from pathlib import Path

BLUE = {"notes-blue-1": "running", "notes-blue-2": "running"}
GREEN = {"notes-green-1": "running", "notes-green-2": "running"}
V1, V2 = Target("blue", "v1", 2, "r1"), Target("green", "v2", 2, "r2")


@pytest.fixture
def world(tmp_path: Path) -> WriterWorld:
    """Return a stack whose service must be alone; v1 runs, in blue."""
    return open_writer(tmp_path)


def is_closed(world: WriterWorld) -> bool:
    """Whether NGINX tells users to come back."""
    lane = world.house.admin.lane("notes")
    return lane is not None and lane.closed


def test_a_new_version_starts_once_the_old_one_has_ended(world: WriterWorld) -> None:
    """Users are told to come back from before that until after the move, and nobody is cut off."""
    seen: dict[str, bool] = {}

    def look(event: Event) -> None:
        if isinstance(event, PhaseBegan | PhaseEnded) and event.phase in ("start", "promote"):
            when = "before" if isinstance(event, PhaseBegan) else "after"
            seen[f"{when} {event.phase}"] = is_closed(world)

    world.hooks.append(look)
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("deployed", 0)
    assert seen == {
        "before start": False,
        "after start": True,
        "before promote": True,
        "after promote": False,
    }
    assert colors(world) == {**dict.fromkeys(BLUE, "exited"), **GREEN}
    assert find_overlaps(world.host.changes) == []
    assert world.host.cut == []


def test_who_had_come_before_is_answered_first(world: WriterWorld) -> None:
    """The old version ends after that, in a service that is closed already."""
    world.on_begin(
        Phase.START,
        lambda: world.host.habits.clings_to.update({"v1": world.clock.monotonic() + 3.0}),
    )
    result = world.deploy("v2")

    assert world.host.cut == []
    assert 3.0 <= result.seconds["gap"] < 4.0
    assert world.evidence(result)["drain"] == {"seconds": pytest.approx(3.0, abs=0.1), "cut": 0}


def test_workers_of_a_config_before_have_left_before_it_is_closed(world: WriterWorld) -> None:
    """One from before `strategy: recreate` would go on letting users in."""
    world.document["gateway"]["gzip"] = False
    world.host.habits.workers_linger = 3.0
    leaving: list[str] = []

    def look(event: object) -> None:
        if isinstance(event, Closed) and world.host.nginx:
            leaving.extend(
                title for title in world.host.nginx.processes().values() if "shutting" in title
            )

    world.hooks.append(look)
    result = world.deploy("v2")
    assert (result.outcome, leaving) == ("deployed", [])
    assert result.seconds["start"] > 2.0
    assert result.seconds["gap"] < 1.0


def test_the_time_in_which_it_was_closed_is_told(world: WriterWorld) -> None:
    """In the result, in the evidence, in words; it is no fault."""
    world.host.apps["v2"] = App(ready_after=2.0)
    result = world.deploy("v2")

    assert result.exit_code == 0
    assert 2.0 <= result.seconds["gap"] < 3.0
    (gap,) = world.evidence(result)["gaps"]
    assert gap == {"at": gap["at"], "seconds": result.seconds["gap"], "closed": True}
    assert f"closed for {result.seconds['gap']:.1f} s" in summarize(result)
    folder = world.house.releases / result.release
    for page in ("evidence.md", "report.html"):
        assert "closed" in (folder / page).read_text()


@pytest.mark.parametrize("app", [App(crashes=True), App(healthy_after=99)])
def test_a_version_that_is_no_good_gives_way_to_the_old_one(world: WriterWorld, app: App) -> None:
    """Which takes requests again once it answers, and not before."""
    world.host.apps["v1"] = App(ready_after=1.5)
    for name in BLUE:
        world.host.box(f"shop-{name}").app = App(ready_after=1.5)
    world.host.apps["v2"] = app
    result = world.deploy("v2")

    assert result.outcome == "reverted"
    assert result.seconds["gap"] >= 1.5
    assert world.serving() == {"v1"}
    assert colors(world) == BLUE
    assert all(world.host.box(f"shop-{name}").persistent for name in BLUE)
    assert find_overlaps(world.host.changes) == []
    assert not is_closed(world)
    assert world.status().recovery == ()


def test_an_old_version_that_does_not_answer_any_more_is_opened_all_the_same(
    world: WriterWorld,
) -> None:
    """It is what there is, and that is said."""
    for name in BLUE:
        world.host.box(f"shop-{name}").app = App(healthy_after=99)
    world.host.apps["v2"] = App(crashes=True)
    result = world.deploy("v2")

    assert result.outcome == "reverted"
    assert not is_closed(world)
    told = [event.text for event in world.events if isinstance(event, Warned)]
    assert any(
        "is not healthy after 5 s, and users get it all the same" in text for text in told
    ), told


def test_a_switch_that_is_not_confirmed_is_closed_again(world: WriterWorld) -> None:
    """Until the old version has come back: both times are told."""

    def fail() -> None:
        raise OSError("the disk is full")

    world.on_begin(Phase.CONFIRM, fail)
    with pytest.raises(OSError, match="the disk is full"):
        world.deploy("v2")
    assert [type(e) for e in world.events if isinstance(e, Closed | Idle)] == [Closed, Idle] * 2
    assert world.serving() == {"v1"}
    assert find_overlaps(world.host.changes) == []
    assert world.host.cut == []


def test_what_died_while_it_was_closed_is_shown_and_put_right(world: WriterWorld) -> None:
    """By the next command, whatever that is; status says it before."""
    world.on_begin(Phase.GATE, lambda: kill(world))
    die(world, lambda: world.deploy("v2"))

    status = world.status()
    assert status.services[0].closed
    (text,) = status.recovery
    assert text == (
        "`notes`: v2 (green) was never in charge: removed; v1 (blue) was stopped for it: started again;"
        " it was closed: opened again"
    )
    world.clock.sleep(60)
    world.prune()
    assert world.serving() == {"v1"}
    assert not world.status().services[0].closed
    dead = next(world.house.releases.glob("*-v2")).name
    (gap,) = world.evidence_of(dead)["gaps"]
    assert (gap["closed"], 60 <= gap["seconds"] < 70) == (True, True)
    assert find_overlaps(world.host.changes) == []


def test_what_died_before_it_stopped_anybody_is_only_opened(world: WriterWorld) -> None:
    """The old version runs all the time."""
    world.hooks.append(
        lambda event: kill(world) if getattr(event, "step", "") == "staged" else None
    )
    die(world, lambda: world.deploy("v2"))
    assert is_closed(world)
    world.changes()
    world.prune()
    assert world.serving() == {"v1"}
    assert not [what for what, subject in world.changes() if "notes-" in subject]


def test_nobody_is_let_into_an_app_that_boots(world: WriterWorld) -> None:
    """The command has died just after it had started the old version again."""
    world.host.apps["v2"] = App(crashes=True)
    for name in BLUE:
        world.host.box(f"shop-{name}").app = App(ready_after=1.5)
    world.engine.fail(Fault("start", on="blue", times=ALWAYS, late=True, error=Killed))
    die(world, lambda: world.deploy("v2"))
    world.prune()
    assert world.serving() == {"v1"}


def test_a_closed_service_is_opened_where_stack_yaml_says_otherwise_by_now(
    world: WriterWorld,
) -> None:
    """What is in the lane counts."""
    world.on_begin(Phase.GATE, lambda: kill(world))
    die(world, lambda: world.deploy("v2"))
    world.notes["strategy"] = "blue-green"
    world.prune()
    assert world.serving() == {"v1"}
    assert find_overlaps(world.host.changes) == []


def test_the_plan_says_when_it_is_closed_and_opened(world: WriterWorld) -> None:
    """And whom that waits for."""
    (found,) = forecast(world.house, "notes", "v2").services
    steps = [step for step in found.steps if step.startswith(("start", "promote", "drain"))]
    assert steps == [
        "start: close notes: who comes now is told to come back",
        "start: wait until v1 has answered all of before, at most 5 s",
        "start: stop shop-notes-blue-1 (v1), which must be alone",
        "start: stop shop-notes-blue-2 (v1), which must be alone",
        "start: start shop-notes-green-1",
        "start: start shop-notes-green-2",
        "promote: open, and move the link to green: no reload",
    ]


def test_only_a_lane_with_a_candidate_is_closed() -> None:
    """Else nobody would ever open it; lanes of before know nothing of it."""
    staged = Lane(V1, candidate=V2, closed=True)
    assert parse_lane(staged.to_json()) == staged
    assert parse_lane(staged.to_json().replace('"closed":true', '"closed":1')) is None
    assert parse_lane(Lane(V1, kept=V2, closed=True).to_json()) is None
    assert parse_lane(Lane(V1).to_json().replace('"closed":false,', "")) == Lane(V1)
    assert not staged.promote().closed
    assert not staged.abandon().closed
    assert CLOSED == "closed"


def test_a_service_is_closed_once_the_witness_has_heard_it(world: WriterWorld) -> None:
    """So that what is usual is right afterwards, such as a redirect; not for ever."""
    world.notes["routes"] = [{"path": "/"}]
    house, answer = world.house, Sample(0.0, "fresh", "GET /", 0.0, 1.0, 302, "notes_blue/v1", None)
    samples = [replace(answer, status=None)]
    started = world.clock.monotonic()
    await_first_answers(house, house.stack.services["notes"], samples)
    assert world.clock.monotonic() - started >= HEARD_WITHIN

    started = world.clock.monotonic()
    await_first_answers(house, house.stack.services["notes"], [*samples, answer])
    assert world.clock.monotonic() == started
