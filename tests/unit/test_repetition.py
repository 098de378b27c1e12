"""`restart` and `scale`: the version that serves once more, and what is kept for a rollback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.doctor.growth import warn_of_growth
from orchestrator.errors import ConfigurationError, StackctlError
from orchestrator.events import PhaseBegan, Warned
from orchestrator.lifecycle.forecast import forecast
from orchestrator.release.images import prepare_image
from orchestrator.release.phases import Phase
from orchestrator.wording import summarize
from tests.fakes.death import BLUE, GREEN, colors
from tests.fakes.units import UNIT, UnitWorld
from tests.fakes.workers import WorkerWorld, find_overlaps, open_writer
from tests.fakes.world import World, open_pair

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack that serves v2 from green, with v1 kept in blue."""
    world = World(tmp_path).begin()
    world.deploy("v2")
    world.events.clear()
    return world


def told(world: World) -> list[str]:
    """Return the warnings so far."""
    return [event.text for event in world.events if isinstance(event, Warned)]


def fail() -> None:
    """Raise what a phase may raise."""
    raise StackctlError("no")


def running(world: World) -> list[str]:
    """Return the names of the replicas that run."""
    return sorted(name for name, state in colors(world).items() if state == "running")


def test_a_restart_takes_the_whole_way_to_new_containers(world: World) -> None:
    """The same image in the other color, through the gate; the evidence says which command it was."""
    before = world.host.box("shop-notes-green-1").spec
    result = world.restart()

    assert (result.outcome, result.version, result.command) == ("deployed", "v2", "restart")
    assert world.serving() == {"v2"}
    assert colors(world) == dict.fromkeys(BLUE, "running")
    assert world.host.box("shop-notes-blue-1").spec.image == before.image
    phases = [event.phase for event in world.events if isinstance(event, PhaseBegan)]
    assert {Phase.GATE, Phase.PREVIEW, Phase.PROMOTE, Phase.DRAIN} <= {*phases}
    assert not {Phase.MIGRATE} & {*phases}
    assert world.evidence(result)["what"]["command"] == "restart"
    assert "(restarted)" in summarize(result)
    assert world.host.cut == []


def test_a_restart_runs_the_image_that_serves_whatever_its_name_is_now(world: World) -> None:
    """Somebody has built v2 anew, and not released it."""
    image = world.host.box("shop-notes-green-1").spec.image
    (world.folder / "notes" / "Dockerfile").write_text("FROM python:3.13-slim\nUSER 1\n")
    built = prepare_image(world.house, "notes", "v2", lambda _: None, build=True)
    assert built.id != image
    world.restart()

    assert world.host.box("shop-notes-blue-1").spec.image == image


@pytest.mark.parametrize("times", [1, 2])
def test_a_rollback_after_a_restart_goes_to_the_version_before(world: World, times: int) -> None:
    """However often it was restarted; and the next one forth again. Nothing is migrated for it."""
    for _ in range(times):
        assert world.restart().outcome == "deployed"
    assert world.prune(keep=0).images == ()
    world.events.clear()
    result = world.rollback()

    assert (result.version, world.serving()) == ("v1", {"v1"})
    phases = [event.phase for event in world.events if isinstance(event, PhaseBegan)]
    assert Phase.MIGRATE not in phases
    assert world.rollback().version == "v2"


def test_a_restart_of_the_first_version_leaves_nothing_to_go_back_to(tmp_path: Path) -> None:
    """Its own containers of before are no other version."""
    world = World(tmp_path).begin()
    world.restart()
    assert colors(world) == dict.fromkeys(GREEN, "running")
    with pytest.raises(StackctlError, match="no previous version"):
        world.rollback()


def test_a_restart_that_fails_leaves_what_was(world: World) -> None:
    """The same version may not start today: users keep the containers that they have, and the way back."""
    world.on_begin(Phase.GATE, fail)
    result = world.restart()
    world.hooks.clear()

    assert result.outcome == "reverted"
    assert "not restarted" in summarize(result)
    assert running(world) == [*GREEN]
    assert world.rollback().version == "v1"


def test_a_unit_is_restarted_as_one(tmp_path: Path) -> None:
    """All members, in their order; what must be alone never runs twice; a rollback leads all back."""
    world = UnitWorld(tmp_path).begin()
    world.deploy("v2")
    result = world.restart()

    assert [one.service for one in result.members] == [*UNIT]
    assert {one.outcome for one in result.members} == {"deployed"}
    assert world.find_version() == "v2"
    assert world.rollback().outcome == "deployed"
    assert world.find_version() == "v1"
    with pytest.raises(ConfigurationError, match="released together with `notes`"):
        world.restart("jobs")


def test_a_unit_whose_member_cannot_be_restarted_is_not_led_back(tmp_path: Path) -> None:
    """All have the same version, as they had: there is nothing to go back to."""
    world = UnitWorld(tmp_path).begin()
    world.deploy("v2")
    world.on_phase_of("jobs", Phase.GATE, "begin", fail)
    result = world.restart()
    world.hooks.clear()

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert [(one.service, one.outcome) for one in result.members] == [
        ("notes", "deployed"),
        ("jobs", "reverted"),
    ]
    assert world.find_version() == "v2"


def test_what_must_be_alone_is_restarted_alone(tmp_path: Path) -> None:
    """Closed, ended, started, opened."""
    world = open_writer(tmp_path)
    result = world.restart()
    assert (result.outcome, result.closed) == ("deployed", True)
    assert find_overlaps(world.host.changes) == []
    with pytest.raises(ConfigurationError, match="must not run beside another"):
        world.scale(3)
    assert world.scale(1).replicas == 1


def test_a_worker_is_restarted_and_scaled(tmp_path: Path) -> None:
    """By its own gate."""
    world = WorkerWorld(tmp_path).begin()
    assert world.restart().outcome == "deployed"
    assert running(world) == [*GREEN]
    assert world.scale(1).outcome == "deployed"
    assert running(world) == ["notes-blue-1"]


@pytest.mark.parametrize("name", ["db", "gateway"])
def test_what_is_there_once_is_not_restarted(tmp_path: Path, name: str) -> None:
    """It has no second color; the hint says how it is done, and what that costs."""
    world = open_pair(tmp_path).begin()
    with pytest.raises(ConfigurationError, match="without an interruption") as caught:
        world.restart(name)
    assert f"`docker restart shop-{name}`" in str(caught.value.hint)
    with pytest.raises(ConfigurationError, match="cannot be scaled"):
        world.scale(2, name)


@pytest.mark.parametrize("count", [1, 3])
def test_scale_moves_users_to_another_number_of_the_same_version(world: World, count: int) -> None:
    """Through the gate, without a migration; the evidence has both numbers."""
    result = world.scale(count)

    assert (result.outcome, result.replicas, world.serving()) == ("deployed", count, {"v2"})
    assert running(world) == [f"notes-blue-{number}" for number in range(1, count + 1)]
    what = world.evidence(result)["what"]
    assert (what["command"], what["replicas"]) == ("scale", {"before": 2, "after": count})
    assert f"with {count} replica" in summarize(result)
    assert world.host.cut == []
    assert world.scale(count).outcome == "unchanged"
    assert world.rollback().version == "v1"
    assert len(running(world)) == count


def test_a_deploy_keeps_the_number_and_says_so(world: World) -> None:
    """So do `up`, `restart`, `plan` and `status`: nobody has to lose replicas without a word."""
    world.scale(3)
    text = "3 replicas, as `stackctl scale` said, where stack.yaml says 2"
    for act in (lambda: world.deploy("v3"), world.up, world.restart):
        world.events.clear()
        act()
        assert len(running(world)) == 3
        assert any(text in warning for warning in told(world))
    (found,) = forecast(world.house, "notes", "v4").services
    assert any(text in warning for warning in found.warnings)
    status = world.status()
    assert status.drift == ("service `notes` was scaled to 3, and stack.yaml says 2 replicas",)
    active = status.services[0].active
    assert active is not None
    assert (active.healthy, active.wanted) == (3, 3)


def test_whoever_edits_stack_yaml_has_the_last_word(world: World) -> None:
    """Its new number is followed, also where it is the one that runs; then the old one is one again."""
    world.scale(3)
    world.notes["replicas"] = 4
    world.up()
    assert len(running(world)) == 4
    assert any("the 3 of `stackctl scale` are over" in warning for warning in told(world))
    assert world.status().drift == ()

    world.scale(3)
    world.notes["replicas"] = 3
    assert world.up().services[0].outcome == "unchanged"
    world.notes["replicas"] = 4
    world.up()
    assert len(running(world)) == 4
    world.scale(4)
    world.notes["replicas"] = 2
    world.up()
    assert len(running(world)) == 2


def test_scale_back_to_the_number_of_stack_yaml_is_no_longer_told(world: World) -> None:
    """Also where nothing has to be started for it."""
    world.scale(3)
    world.scale(2)
    assert world.status().drift == ()
    world.events.clear()
    world.deploy("v3")
    assert told(world) == []


@pytest.mark.parametrize(
    ("count", "why", "hint"),
    [
        (0, "nobody would be left to answer", "stackctl scale notes 1"),
        (-2, "nobody would be left to answer", "stackctl scale notes 1"),
        (51, "the most is 50", "resources"),
    ],
)
def test_a_number_that_cannot_be_is_refused(world: World, count: int, why: str, hint: str) -> None:
    """Before anything is begun."""
    world.changes()
    with pytest.raises(ConfigurationError, match=why) as caught:
        world.scale(count)
    assert hint in str(caught.value.hint)
    assert world.changes() == []


@pytest.mark.parametrize("command", ["restart", "scale"])
def test_what_was_never_released_cannot_be_repeated(world: World, command: str) -> None:
    """The hint says what comes first."""
    world.take_down()
    arguments = (3,) if command == "scale" else ()
    with pytest.raises(StackctlError, match="no active version") as caught:
        getattr(world, command)(*arguments)
    assert caught.value.hint == "release one: `stackctl up`"


@pytest.mark.parametrize(
    ("service", "replicas", "warned"),
    [
        ("notes", 40, True),
        ("notes", 2, False),
        ("else", 40, False),
        ("notes", 3, False),
    ],
)
def test_more_than_the_machine_has_memory_for_is_warned_of(
    world: World,
    service: str,
    replicas: int,
    warned: bool,  # noqa: FBT001
) -> None:
    """Of the replicas and those of a next release beside them; it is done all the same."""
    world.host.memory = 8 * 1024**3
    warn_of_growth(world.house, service, replicas)
    assert [text[:29] for text in told(world)] == ["with 40 replicas of `notes` c"] * warned


def test_a_companion_is_scaled_by_itself(tmp_path: Path) -> None:
    """Its version stays that of its leader."""
    world = UnitWorld(tmp_path).begin()
    result = world.scale(2, "jobs")
    assert (result.outcome, result.members) == ("deployed", ())
    assert sum(name.startswith("jobs-") for name in running(world)) == 2
    assert world.find_version() == "v1"
    assert world.deploy("v2").outcome == "deployed"
    assert sum(name.startswith("jobs-") for name in running(world)) == 2
