"""What happens to versions during a load test, on fakes."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from orchestrator.bench.during import ReleaseUnderLoad
from orchestrator.bench.points import Point, Points
from orchestrator.bench.session import Session
from orchestrator.bench.turns import VersionTurns
from orchestrator.errors import ConfigurationError, EngineError, StackctlError
from orchestrator.events import Closed, Event
from orchestrator.gateway.admin import CLOSED
from orchestrator.release.phases import Phase
from orchestrator.release.plan import Order
from tests.fakes.apps import App
from tests.fakes.benches import HEAD
from tests.fakes.clock import START
from tests.fakes.faults import Fault
from tests.fakes.units import UnitWorld
from tests.fakes.workers import open_writer
from tests.fakes.world import World

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack whose service serves v1."""
    world = World(tmp_path)
    world.up()
    world.clock.sleep(100)
    return world


def make_session(world: World, until: float) -> Session:
    """Return a request each half second, from the start of the world's time on."""
    points = Points()
    times = [START + timedelta(seconds=n / 2) for n in range(int(until * 2))]
    points.read(
        [HEAD, *(f"http_req_duration,{at.timestamp() * 1000:.0f},5,true,,200" for at in times)]
    )
    assert until >= world.clock.monotonic()
    return Session([points])


def test_a_release_happens_once_and_not_too_early(world: World) -> None:
    """The load is split into what came before, during and after it."""
    release = ReleaseUnderLoad(world.house, Order("notes", "v2"), after=10)
    release.act(9.9)
    assert world.serving() == {"v1"}
    began = world.clock.monotonic()
    release.act(10.0)
    ended = world.clock.monotonic()
    release.act(10.1)
    assert world.serving() == {"v2"}
    assert world.clock.monotonic() == ended

    told = release.tell(make_session(world, ended + 50))
    assert told is not None
    assert (told["service"], told["version"], told["outcome"]) == ("notes", "v2", "deployed")
    assert (told["exit_code"], told["error"]) == (0, None)
    assert told["seconds"] == pytest.approx(ended - began, abs=0.01)
    parts = {name: part["requests"] for name, part in told["parts"].items()}
    assert sum(parts.values()) == int((ended + 50) * 2)
    assert parts["before"] == pytest.approx(began * 2, abs=1)
    assert parts["after"] == pytest.approx(100, abs=1)
    assert [phase["phase"] for phase in told["phases"]][-2:] == ["drain", "retire"]


def test_the_phases_of_a_companion_are_not_those_of_the_service(tmp_path: Path) -> None:
    """They are within the time of the release; each phase is listed once."""
    world = UnitWorld(tmp_path / "unit").begin()
    release = ReleaseUnderLoad(world.house, Order("notes", "v2"), after=0)
    release.act(0.1)
    told = release.tell(make_session(world, world.clock.monotonic() + 1))
    assert told is not None
    assert [phase["phase"] for phase in told["phases"]] == [
        phase for phase in Phase if phase is not Phase.CONFIGURE
    ]


def test_a_release_that_fails_is_told(world: World) -> None:
    """With its error and exit code; the load goes on."""
    world.host.apps["v2"] = App(crashes=True)
    release = ReleaseUnderLoad(world.house, Order("notes", "v2"), after=0)
    release.act(0.1)
    told = release.tell(make_session(world, world.clock.monotonic() + 1))
    assert told is not None
    assert (told["outcome"], told["exit_code"], told["promoted"]) == ("reverted", 1, None)
    assert told["error"]["message"]
    assert world.serving() == {"v1"}


def test_a_release_that_never_came_is_none(world: World) -> None:
    """All of the load was before it."""
    release = ReleaseUnderLoad(world.house, Order("notes", "v2"), after=10)
    session = make_session(world, 200)
    assert release.tell(session) is None
    assert {release.label(point) for point in session.points[0]} == {"before"}


@pytest.mark.parametrize(("refused", "away"), [(9, 9), (14, 10)])
def test_who_was_told_to_come_back_is_told_from_what_failed(
    tmp_path: Path, refused: int, away: int
) -> None:
    """By the times that the release was closed, and by the gateway's log of whom it turned away."""
    world = open_writer(tmp_path)
    closed: list[float] = []

    def note(event: Event) -> None:
        if isinstance(event, Closed):
            at = world.clock.now().timestamp()
            closed.append(at)
            lines = 10 * [(at, json.dumps({"target": CLOSED, "status": "503", "witness": ""}))]
            world.host.box("shop-gateway").printed.extend(lines)

    world.hooks.append(note)
    release = ReleaseUnderLoad(world.house, Order("notes", "v2"), after=0)
    release.act(0.1)
    ended = world.clock.now().timestamp()
    times = [closed[0] + 0.01 * n for n in range(1, 1 + refused)] + [ended + 1]
    points = Points()
    points.read([HEAD, *(f"http_req_duration,{at * 1000:.0f},5,false,,503" for at in times)])
    session = Session([points])
    release.settle(session)
    told = release.tell(session)

    assert told is not None
    found = {name: (part["turned_away"], part["failed"]) for name, part in told["parts"].items()}
    assert found == {"before": (0, 0), "during": (away, refused - away), "after": (0, 1)}


def test_an_unknown_service_is_refused_at_once(world: World) -> None:
    """Before there is any load."""
    with pytest.raises(ConfigurationError, match="there is no service `shop`"):
        ReleaseUnderLoad(world.house, Order("shop", "v2"), after=1)


def test_versions_take_turns(world: World) -> None:
    """Each run meets its version, and users have theirs again in the end."""
    world.deploy("v2")
    between = VersionTurns(world.house, "notes", runs=2)
    assert (between.turns.now, between.turns.before) == ("v2", "v1")
    served, moments = [], []
    for number in range(1, 5):
        between.prepare(number)
        served.append(world.serving())
        moments.append(world.clock.now().timestamp())
        world.clock.sleep(10)
    between.finish()
    assert served == [{"v2"}, {"v1"}, {"v1"}, {"v2"}]
    assert between.turns.runs == ["v2", "v1", "v1", "v2"]
    assert world.serving() == {"v2"}
    labels = [between.label(Point(moment + 1, 5.0, failed=False)) for moment in moments]
    assert labels == between.turns.runs


def test_a_broken_turn_ends_the_test(world: World) -> None:
    """The version that users had goes on serving."""
    world.deploy("v2")
    between = VersionTurns(world.house, "notes", runs=5)
    world.on_begin(Phase.PREVIEW, lambda: world.engine.fail(Fault()))
    between.prepare(1)
    with pytest.raises(EngineError):
        between.prepare(2)
    world.hooks.clear()
    between.finish()
    assert world.serving() == {"v2"}


def test_turns_need_two_versions(world: World) -> None:
    """And a service that there is."""
    with pytest.raises(StackctlError, match="no previous version of `notes`"):
        VersionTurns(world.house, "notes", runs=5)
    with pytest.raises(ConfigurationError, match="there is no service `shop`"):
        VersionTurns(world.house, "shop", runs=5)
