"""`pause` and `resume`: who is told to come back, and what releases make of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.commands.pause import LARGEST, read_page
from orchestrator.errors import ConfigurationError, GatewayError, LockedError, StackctlError
from orchestrator.events import Warned
from orchestrator.gateway.admin import PAUSED
from orchestrator.gateway.lane import Lane, Target, parse_lane
from orchestrator.lifecycle.status import read_status
from orchestrator.release.lock import hold_lock
from orchestrator.release.pause import Turned, pause, resume
from tests.fakes.apps import App
from tests.fakes.faults import Fault
from tests.fakes.world import NOTES, World

if TYPE_CHECKING:
    from pathlib import Path

PAGE = b"<h1>Back soon</h1>"
SERVICES = {"notes": {**NOTES, "routes": [{"path": "/notes/"}]}}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack of one service that serves v1."""
    return World(tmp_path, services=SERVICES).begin()


def served(world: World) -> str | None:
    """Return what the public door says of a request of a user's."""
    return world.house.admin.served("/notes/")


def test_users_are_told_to_come_back_until_it_is_resumed(world: World) -> None:
    """And nothing else changes: no config, no container."""
    config = world.house.admin.serving()
    assert pause(world.house, ["notes"], PAGE) == Turned(("notes",), ())
    assert served(world) == PAUSED
    assert read_status(world.house).services[0].paused

    assert resume(world.house, ["notes"]) == Turned(("notes",), ())
    assert served(world) == "notes_blue"
    assert not read_status(world.house).services[0].paused
    assert world.house.admin.serving() == config


def test_all_services_with_routes_are_meant_where_none_is_named(world: World) -> None:
    """And of those, `resume` takes the ones that are paused."""
    assert pause(world.house, [], PAGE).changed == ("notes",)
    assert resume(world.house, []) == Turned(("notes",), ())
    assert resume(world.house, []) == Turned((), ())


def test_what_is_paused_already_is_said_and_gets_the_new_page(world: World) -> None:
    """The link stays where it is."""
    pause(world.house, ["notes"], PAGE)
    lane = world.house.admin.lane("notes")
    assert pause(world.house, ["notes"], b"later") == Turned((), ("notes",))
    assert world.host.box("shop-gateway").read("/etc/stackctl/pages/notes.html") == "later"
    assert world.house.admin.lane("notes") == lane


def test_who_pauses_may_be_let_in(world: World) -> None:
    """Then the door does not tell what others get; the link does."""
    world.document["gateway"]["pause"] = {"allow": ["127.0.0.1"]}
    world.up()
    world.host.habits.lets_in = True
    assert pause(world.house, ["notes"], PAGE).changed == ("notes",)
    assert served(world) == "notes_blue"
    assert world.deploy("v2").outcome == "deployed"


def test_releases_go_on_and_leave_the_pause_as_it_is(world: World) -> None:
    """Whether they succeed or fail, and it is said each time; users get the new version afterwards."""
    pause(world.house, ["notes"], PAGE)
    assert world.deploy("v2").outcome == "deployed"
    assert served(world) == PAUSED
    assert any(isinstance(one, Warned) and "`notes` is paused" in one.text for one in world.events)

    world.host.apps["v3"] = App(crashes=True)
    assert world.deploy("v3").outcome == "reverted"
    assert served(world) == PAUSED
    assert world.rollback().outcome == "deployed"
    assert served(world) == PAUSED

    resume(world.house, ["notes"])
    assert served(world) == "notes_blue"


def test_up_keeps_it_paused(world: World) -> None:
    """Also where it starts the gateway anew: the link is in its volume."""
    pause(world.house, ["notes"], PAGE)
    world.up()
    world.engine.stop(world.host.box("shop-gateway").id, 1.0)
    world.up()
    assert served(world) == PAUSED


@pytest.mark.parametrize("calls", range(12))
def test_a_fault_leaves_no_service_half_way(world: World, calls: int) -> None:
    """Wherever the engine fails once, users are let in, or told to come back, as the command said."""
    world.engine.faults.append(Fault(skip=calls))
    try:
        pause(world.house, ["notes"], PAGE)
    except StackctlError:
        assert served(world) == "notes_blue"
    else:
        assert served(world) == PAUSED
    world.engine.faults.clear()
    resume(world.house, ["notes"])
    assert served(world) == "notes_blue"


def test_a_link_that_users_do_not_follow_is_moved_back(world: World) -> None:
    """Nobody is told that it is paused while users get in."""
    world.host.habits.lets_in = True
    with pytest.raises(GatewayError, match="are let in still"):
        pause(world.house, ["notes"], PAGE)
    world.host.habits.lets_in = False
    assert read_status(world.house).services[0].paused is False


def test_a_config_of_an_earlier_stackctl_cannot_pause(world: World) -> None:
    """It would not look; said before anything is moved."""
    served_text = world.house.admin.config()
    assert "$stackctl_stop)" in served_text
    box = world.host.box("shop-gateway")
    disk, inside = box.find("/etc/stackctl/current/nginx.conf")
    resolved = f"configs/{world.house.admin.serving()}/nginx.conf"
    assert disk.read(inside) == served_text
    _, root = box.find("/etc/stackctl")
    place = f"{root}/{resolved}" if root else resolved
    disk.put(place, served_text.replace("$stackctl_stop)", "$nothing)"))
    with pytest.raises(GatewayError, match="earlier stackctl") as caught:
        pause(world.house, ["notes"], PAGE)
    assert caught.value.hint is not None
    assert "stackctl up" in caught.value.hint
    assert served(world) == "notes_blue"


def test_what_has_no_users_cannot_be_paused(tmp_path: Path) -> None:
    """A worker, an accessory, a name that is none, and a service that was never released."""
    world = World(tmp_path, services=SERVICES)
    with pytest.raises(StackctlError, match="the gateway of `shop` does not run"):
        pause(world.house, ["notes"], PAGE)
    with pytest.raises(ConfigurationError, match="nothing"):
        pause(world.house, ["nothing"], PAGE)
    with pytest.raises(ConfigurationError):
        resume(world.house, ["gateway"])


def test_it_waits_for_the_lock_as_every_command_does(world: World) -> None:
    """A release that is at work would move the link as well."""
    with hold_lock(world.house, "deploy"), pytest.raises(LockedError):
        pause(world.house, ["notes"], PAGE)


def test_the_page_of_a_person_is_read(tmp_path: Path) -> None:
    """One that is none, or too large, is refused before anything is paused."""
    file = tmp_path / "page.html"
    file.write_bytes(PAGE)
    assert read_page(file) == PAGE
    assert b"<h1>" in read_page(None)
    file.write_bytes(b"x" * (LARGEST + 1))
    with pytest.raises(ConfigurationError, match="larger than 1 MiB"):
        read_page(file)
    with pytest.raises(ConfigurationError, match="No such file"):
        read_page(tmp_path / "none.html")
    with pytest.raises(ConfigurationError, match="Is a directory"):
        read_page(tmp_path)


def test_a_pause_is_read_back_with_its_lane() -> None:
    """It is carried through each step of a release, and a lane of before has none."""
    blue, green = (Target(color, "v1", 1, "r") for color in ("blue", "green"))
    lane = Lane(blue, paused=True)
    assert parse_lane(lane.to_json()) == lane
    steps = (lane.stage(green), lane.stage(green).promote(), lane.stage(green).abandon())
    more = (steps[1].retire(), steps[1].go_back())
    assert [one.paused for one in (*steps, *more)] == [True] * 5
    assert parse_lane(lane.to_json().replace('"paused":true,', "")) == replace(lane, paused=False)
    assert parse_lane(lane.to_json().replace('"paused":true', '"paused":1')) is None
