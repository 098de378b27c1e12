"""`up` after `docker stop` of all containers of a service: the same ones are started again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.events import Warned
from orchestrator.lifecycle.forecast import forecast
from orchestrator.wording import describe_forecast
from tests.fakes.apps import NEVER
from tests.fakes.faults import Fault
from tests.fakes.workers import open_alone
from tests.fakes.world import World, open_pair

if TYPE_CHECKING:
    from pathlib import Path

GREEN = ("notes-green-1", "notes-green-2")


@pytest.fixture
def rested(tmp_path: Path) -> World:
    """Return a stack whose `notes` was stopped by hand; v2 is in green, and v1 is kept in blue."""
    world = open_pair(tmp_path).begin()
    world.deploy("v2")
    rest(world, *GREEN)
    return world


def rest(world: World, *names: str) -> None:
    """Stop containers by hand, as `docker stop` does."""
    for name in names:
        world.engine.stop(world.host.box(f"shop-{name}").id, 0)
    world.changes()
    world.events.clear()
    world.host.cut.clear()


def test_containers_that_were_stopped_are_started_again(rested: World) -> None:
    """The same ones; nothing is released, so what is kept is still there to go back to."""
    done = rested.up()

    assert [result.outcome for result in done.services] == ["unchanged", "unchanged"]
    assert done.exit_code == 0
    assert {subject for what, subject in rested.changes() if what == "start"} == set(GREEN)
    assert done.mended == (
        "`shop-notes-green-1` and `shop-notes-green-2` were stopped, and were started again",
    )
    assert rested.serving() == {"v2"}
    assert rested.rollback().version == "v1"


def test_a_worker_that_was_stopped_is_started_again(tmp_path: Path) -> None:
    """One that must be alone as well: nobody has to give way."""
    world = open_alone(tmp_path)
    rest(world, "notes-blue-1", "notes-blue-2")
    done = world.up()

    assert {result.outcome for result in done.services} == {"unchanged"}
    states = world.states()
    assert (states["notes-blue-1"], states["notes-blue-2"]) == ("running", "running")
    assert not any("green" in name for name in states)


@pytest.mark.parametrize("call", ["start", "persist"])
def test_what_cannot_be_started_again_is_made_anew(rested: World, call: str) -> None:
    """As where a network is gone: the service is released once more, in the other color."""
    rested.engine.fail(Fault(call))
    done = rested.up()

    assert [result.outcome for result in done.services] == ["deployed", "unchanged"]
    assert rested.serving() == {"v2"}
    told = [event.text for event in rested.events if isinstance(event, Warned)]
    assert any("`notes` is made anew" in text for text in told)


def test_containers_that_do_not_pass_the_gate_are_made_anew(rested: World) -> None:
    """They run and are sick: as ever, users get what has proven itself."""
    for name in GREEN:
        box = rested.host.box(f"shop-{name}")
        box.app = replace(box.app, healthy_after=NEVER)
    done = rested.up()

    assert [result.outcome for result in done.services] == ["deployed", "unchanged"]
    assert done.services[0].color == "blue"
    assert rested.host.box("shop-notes-blue-1").state == "running"


def test_plan_says_that_up_would_start_them_again(rested: World) -> None:
    """And that a deploy would release: it makes new containers also of the version that there is."""
    told = forecast(rested.house, None, None)
    found = {one.service: (one.woken, one.unchanged) for one in told.services}
    names = ("shop-notes-green-1", "shop-notes-green-2")
    assert found == {"notes": (names, False), "web": ((), True)}
    lines = describe_forecast(told).splitlines()
    assert "notes v2 was stopped, and `up` would start it again:" in lines
    assert "   1. start: start shop-notes-green-1 and shop-notes-green-2 again" in lines
    (deployed,) = forecast(rested.house, "notes", "v2").services
    assert not deployed.woken
    assert len(deployed.steps) > 1

    rested.up()
    assert [found.unchanged for found in forecast(rested.house, None, None).services] == [True] * 2


def test_plan_of_what_was_stopped_and_has_other_settings_is_a_release(rested: World) -> None:
    """As `up` does it."""
    rested.document["services"]["notes"]["env"] = {"NEW": "1"}
    (found,) = forecast(rested.house, "notes", None).services
    assert (found.woken, found.color, found.unchanged) == ((), "blue", False)


def test_what_was_stopped_and_has_other_settings_now_is_released(rested: World) -> None:
    """Started again it would not be what stack.yaml says."""
    rested.document["services"]["notes"]["env"] = {"NEW": "1"}
    done = rested.up()

    assert [result.outcome for result in done.services] == ["deployed", "unchanged"]
    assert not done.mended
