"""Releases that go well: who serves afterwards, what is kept, and what the result says."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.errors import ConfigurationError, LockedError, StackctlError
from orchestrator.events import DrainEnded, Planned, Probed, Switched
from orchestrator.release.phases import Phase
from orchestrator.release.plan import Order
from orchestrator.release.rollout import deploy
from tests.fakes.apps import App
from tests.fakes.world import World

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack whose service serves v1 from blue."""
    return World(tmp_path).begin()


def test_a_deploy_moves_users_to_the_new_version(world: World) -> None:
    """The other color serves, and nobody was cut off."""
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code, result.error) == ("deployed", 0, None)
    assert world.serving() == {"v2"}
    assert world.host.cut == []


@pytest.mark.parametrize(
    ("keep", "left"),
    [
        ("stopped", {"notes-blue-1": "exited", "notes-blue-2": "exited"}),
        ("running", {"notes-blue-1": "running", "notes-blue-2": "running"}),
        ("removed", {}),
    ],
)
def test_keep_says_what_becomes_of_the_previous_version(
    world: World, keep: str, left: dict[str, str]
) -> None:
    """It is stopped, kept warm or removed, once nobody is on it any more."""
    world.notes["keep"] = keep

    assert world.deploy("v2").outcome == "deployed"
    new = {"notes-green-1": "running", "notes-green-2": "running"}
    assert world.states() == {"gateway": "running", **left, **new}
    assert world.host.cut == []


def test_the_result_has_the_facts_that_scripts_read(world: World) -> None:
    """Its JSON has the keys and the kinds of values that DESIGN section 2 promises."""
    facts: Any = world.deploy("v2").facts()

    assert {"outcome", "service", "version", "color", "release", "evidence"} <= facts.keys()
    assert (facts["service"], facts["version"], facts["color"]) == ("notes", "v2", "green")
    assert facts["evidence"] == f"reports/releases/{facts['release']}"
    assert {"sent", "ok", "lost", "longest_gap_ms"} <= facts["witness"].keys()
    assert {"gate", "stage", "promote", "drain", "total"} <= facts["seconds"].keys()


def test_each_release_is_proven_before_and_after_the_switch(world: World) -> None:
    """Every replica is probed, and NGINX is proven to serve stage, promote and retire in turn."""
    result = world.deploy("v2")

    probed = {event.replica for event in world.events if isinstance(event, Probed)}
    assert probed == {"shop-notes-green-1", "shop-notes-green-2"}
    switched = [event.config for event in world.events if isinstance(event, Switched)]
    assert switched == [f"{result.release}.{step}" for step in ("stage", "promote", "retire")]


def test_only_the_config_that_serves_stays_in_the_gateway(world: World) -> None:
    """A hundred releases leave one config, not three hundred."""
    for number in range(2, 5):
        world.deploy(f"v{number}")

    stored = world.engine.execute("shop-gateway", ("ls", "/etc/stackctl")).text.split()
    assert len(stored) == 2
    assert "current" in stored


def test_the_previous_version_waits_for_the_last_old_worker(world: World) -> None:
    """It stops only when no worker is left that could send it a request."""
    world.host.habits.workers_linger = 4.0

    assert world.deploy("v2").outcome == "deployed"
    drained = next(event for event in world.events if isinstance(event, DrainEnded))
    assert drained.workers == 4  # of the configs of before and of stage
    assert drained.seconds > 3
    assert world.host.cut == []


def test_connections_that_outlive_the_drain_are_cut_with_a_warning(world: World) -> None:
    """A client that never lets go holds up no release for longer than `drain_timeout`."""
    world.host.habits.clings_to.add("v1")
    world.host.habits.workers_linger = 1e9
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("deployed", 0)
    assert result.warnings == ("2 connections were cut at the end of the drain",)
    assert world.serving() == {"v2"}
    drained = world.evidence(result)["drain"]
    assert (drained["workers"], drained["cut"]) == (4, 2)
    assert 4 < drained["seconds"] < 6  # `drain_timeout` is 5 s
    assert world.host.cut == []


def test_connections_that_end_by_themselves_are_not_cut(world: World) -> None:
    """However late they do, before their time is over."""
    world.host.habits.clings_to.add("v1")
    world.host.habits.workers_linger = 3.5
    result = world.deploy("v2")

    assert (result.outcome, result.warnings) == ("deployed", ())
    assert world.evidence(result)["drain"]["cut"] == 0


def test_deploying_what_serves_changes_nothing(world: World) -> None:
    """No container, no config and no evidence; the result names the release that serves."""
    first = world.deploy("v2")
    world.changes()
    again = world.deploy("v2")

    assert (again.outcome, again.exit_code, again.evidence) == ("unchanged", 0, None)
    assert (again.color, again.release) == ("green", first.release)
    assert world.changes() == [("build", "notes:v2")]
    assert len(list((world.folder / "reports" / "releases").iterdir())) == 2


def test_a_changed_image_of_the_same_version_is_released(world: World) -> None:
    """Equal is what has equal content, not what has an equal name."""
    (world.folder / "notes" / "Dockerfile").write_text("FROM nginx:1.30\nUSER 10001\n")

    assert world.deploy("v1").color == "green"


def test_a_rollback_wakes_the_version_before(world: World) -> None:
    """The stopped containers serve again, and what they replace is kept in turn."""
    world.deploy("v2")
    world.changes()
    result = world.rollback()

    assert (result.outcome, result.version, result.color) == ("deployed", "v1", "blue")
    assert world.serving() == {"v1"}
    made = [change for change in world.changes() if change[0] in ("create", "build")]
    assert made == []
    assert world.states()["notes-green-1"] == "exited"


def test_a_rollback_waits_to_see_what_the_previous_version_is(world: World) -> None:
    """While another release has cleared its place away, that cannot be said."""
    world.deploy("v2")
    refused: list[str] = []

    def disturb() -> None:
        with pytest.raises(LockedError) as caught:
            world.rollback()
        refused.append(caught.value.message)

    for number in (1, 2):
        world.on_begin(Phase.START, partial(world.engine.remove, f"shop-notes-blue-{number}"))
    for phase in (Phase.START, Phase.GATE):
        world.on_begin(phase, disturb)

    assert world.deploy("v3").outcome == "deployed"
    assert [message.startswith("`deploy notes v3` by ") for message in refused] == [True, True]


def test_two_rollbacks_end_where_they_began(world: World) -> None:
    """Going back from a rollback is going forward again."""
    world.deploy("v2")
    world.rollback()

    assert world.rollback().version == "v2"
    assert world.serving() == {"v2"}
    assert world.host.cut == []


def test_a_rollback_to_a_named_version_makes_it_from_its_image(world: World) -> None:
    """Nothing is built: the image of that version is still there."""
    for version in ("v2", "v3"):
        world.deploy(version)
    world.changes()
    result = world.rollback("v1")

    assert (result.outcome, result.version) == ("deployed", "v1")
    assert world.serving() == {"v1"}
    assert "build" not in {what for what, _ in world.changes()}


def test_a_rollback_goes_through_the_same_gate(world: World) -> None:
    """A version that has gone bad since does not come back, and its containers stay kept."""
    world.deploy("v2")
    for box in world.host.boxes.values():
        if box.version == "v1":
            box.app = App(crashes=True)
    result = world.rollback()

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert world.serving() == {"v2"}
    assert world.states()["notes-blue-1"] == "exited"


def test_a_rollback_to_a_version_without_an_image_changes_nothing(world: World) -> None:
    """The error names the tag that is missing and how to get it."""
    stored = world.stored_configs()
    result = world.rollback("v0")

    assert result.exit_code == 1
    assert result.error is not None
    assert "`shop-notes:v0`" in result.error.message
    assert {name for _, name in world.changes()} <= {"gateway"}
    assert world.stored_configs() == stored


def test_a_service_with_a_named_image_is_pulled(world: World) -> None:
    """`{version}` in `image` is the version that was asked for."""
    del world.notes["build"]
    world.notes["image"] = "example/notes:{version}"
    world.host.shelf.registry.add("example/notes:v2")

    assert world.deploy("v2").outcome == "deployed"
    assert "example/notes:v2" in world.host.shelf.find("example/notes:v2").tags


@pytest.mark.parametrize("user", ["", "USER root", "USER 0:0", "USER 00", "USER +0", "USER -0:5"])
def test_an_image_that_runs_as_root_is_refused(world: World, user: str) -> None:
    """Whoever wrote the Dockerfile or stack.yaml can put it right, so it is exit code 2."""
    (world.folder / "notes" / "Dockerfile").write_text(f"FROM nginx:1.30\n{user}\n")
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("reverted", 2)
    assert world.serving() == {"v1"}


def test_a_planned_event_says_what_will_be_done(world: World) -> None:
    """Color, replicas, image and what it replaces are told before anything is started."""
    world.deploy("v2")

    planned = next(event for event in world.events if isinstance(event, Planned))
    assert (planned.color, planned.previous, planned.unchanged) == ("green", "v1", False)
    assert planned.image == "shop-notes:v2"
    assert planned.digest == world.host.shelf.find("shop-notes:v2").id


def test_an_unknown_service_is_named_beside_the_known_ones(world: World) -> None:
    """Before the lock is taken, and before anything is looked at."""
    with pytest.raises(ConfigurationError, match="there is no service `web`"):
        deploy(world.house, Order("web", "v2"))

    assert world.changes() == []


def test_a_release_needs_the_lock(world: World) -> None:
    """While somebody else changes the stack, a second one is refused and changes nothing."""
    refused: list[str] = []

    def disturb() -> None:
        with pytest.raises(LockedError) as caught:
            world.deploy("v3")
        refused.append(caught.value.message)

    world.on_begin(Phase.GATE, disturb)

    assert world.deploy("v2").outcome == "deployed"
    assert world.serving() == {"v2"}
    assert refused[0].startswith("`deploy notes v2` by ")


def test_without_a_gateway_a_release_says_what_to_do(tmp_path: Path) -> None:
    """Nothing was started, and the hint is the next command."""
    world = World(tmp_path)
    result = world.deploy("v1")

    assert isinstance(result.error, StackctlError)
    assert (result.outcome, result.error.hint) == ("reverted", "bring the stack up: `stackctl up`")
    assert world.states() == {}
