"""Releases that go well: who serves afterwards, what is kept, and what the result says."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.errors import ConfigurationError, LockedError, StackctlError
from orchestrator.events import DrainEnded, Moved, Planned, Probed, ReplicaStarted
from orchestrator.release.phases import Phase
from orchestrator.release.plan import Order
from orchestrator.release.rollout import deploy
from tests.fakes.apps import App
from tests.fakes.world import HEALTH, World

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
    assert {"gate", "preview", "promote", "drain", "total"} <= facts["seconds"].keys()


def test_each_release_is_proven_before_and_after_the_switch(world: World) -> None:
    """Every replica is probed, and the link is moved three times; NGINX is never reloaded."""
    result = world.deploy("v2")

    probed = {event.replica for event in world.events if isinstance(event, Probed)}
    assert probed == {"shop-notes-green-1", "shop-notes-green-2"}
    moves = [event.move for event in world.events if isinstance(event, Moved)]
    assert moves == [f"{result.release}.{word}" for word in ("stage", "promote", "retire")]
    assert ("signal", "gateway") not in world.changes()


def test_only_the_config_that_serves_stays_in_the_gateway(world: World) -> None:
    """And one lane for each service, however many releases there were."""
    for number in range(2, 5):
        world.deploy(f"v{number}")

    assert world.stored_configs() == (world.house.admin.serving(),)
    moves = world.engine.execute("shop-gateway", ("ls", "/etc/stackctl/moves/notes")).text.split()
    assert len(moves) == 1


def let_go_after(world: World, version: str, seconds: float) -> None:
    """Let users of a version wait so long for their last answers."""
    world.host.habits.clings_to[version] = world.clock.monotonic() + seconds


def test_the_previous_version_waits_for_its_last_answer(world: World) -> None:
    """It stops only when nobody who had decided for it is unfinished."""
    world.on_begin(Phase.DRAIN, lambda: let_go_after(world, "v1", 3.5))
    result = world.deploy("v2")

    assert (result.outcome, result.warnings) == ("deployed", ())
    drained = next(event for event in world.events if isinstance(event, DrainEnded))
    assert 3.4 < drained.seconds < 4
    assert drained.cut == 0
    assert world.host.cut == []


def test_connections_that_outlive_the_drain_are_cut_with_a_warning(world: World) -> None:
    """A client that never lets go holds up no release for longer than `drain_timeout`."""
    let_go_after(world, "v1", 1e9)
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("deployed", 0)
    assert result.warnings == ("2 connections were cut at the end of the drain",)
    assert world.serving() == {"v2"}
    drained = world.evidence(result)["drain"]
    assert drained["cut"] == 2
    assert 5 <= drained["seconds"] < 5.5  # `drain_timeout` is 5 s


def test_a_service_may_have_a_longer_drain_of_its_own(world: World) -> None:
    """As one with WebSockets does; another service's release is none the slower."""
    world.notes["drain_timeout"] = "20s"
    world.on_begin(Phase.DRAIN, lambda: let_go_after(world, "v1", 12))
    result = world.deploy("v2")

    assert (result.outcome, result.warnings) == ("deployed", ())
    assert 12 <= world.evidence(result)["drain"]["seconds"] < 13


def test_a_candidate_waits_for_late_requests_to_its_color(world: World) -> None:
    """A request that had decided for v1 would be executed by v3, which has v1's addresses."""
    world.deploy("v2")
    let_go_after(world, "v1", 3.0)
    seen: list[float] = []
    world.hooks.append(
        lambda event: (
            seen.append(world.clock.monotonic()) if isinstance(event, ReplicaStarted) else None
        )
    )
    began = world.clock.monotonic()
    result = world.deploy("v3")

    assert (result.outcome, result.warnings) == ("deployed", ())
    assert seen[0] - began >= 3.0
    assert world.host.cut == []


def test_a_color_that_stays_busy_is_used_again_with_a_warning(world: World) -> None:
    """Somebody who sends a byte a minute must not hold all releases."""
    world.deploy("v2")
    let_go_after(world, "v1", 1e9)
    result = world.deploy("v3")

    assert result.outcome == "deployed"
    assert len(result.warnings) == 1
    assert "was not answered within 5 s" in result.warnings[0]


def test_what_users_get_comes_back_with_the_engine_and_nothing_else_does(world: World) -> None:
    """An engine that is killed brings back what is persistent, and takes it for right."""
    world.deploy("v2")
    persistent = {name: world.host.box(f"shop-{name}").persistent for name in world.states()}

    assert persistent == {
        "gateway": True,
        **dict.fromkeys(("notes-blue-1", "notes-blue-2"), False),
        **dict.fromkeys(("notes-green-1", "notes-green-2"), True),
    }
    world.rollback()
    assert world.host.box("shop-notes-blue-1").persistent
    assert not world.host.box("shop-notes-green-1").persistent


def test_a_changed_port_never_touches_the_active_version(world: World) -> None:
    """The candidate's color gets its new port in a step of its own, before anything starts."""
    world.notes["port"] = 9000
    world.host.apps["v2"] = App(port=9000)
    served: list[set[str]] = []
    for phase in Phase:
        world.on_begin(phase, lambda: served.append(world.serving()))
    result = world.deploy("v2")

    assert result.outcome == "deployed", result.error
    assert "configure" in result.seconds
    assert served[:-3] == [{"v1"}] * (len(served) - 3)
    assert world.serving() == {"v2"}
    assert world.host.nginx is not None
    assert {port for _, port in world.host.nginx.serving("notes")} == {9000}


def test_more_replicas_never_touch_the_active_version(world: World) -> None:
    """And every address that has a container stays where it is."""
    assert world.host.nginx is not None
    before = world.host.nginx.serving("notes")
    world.notes["replicas"] = 4
    seen: list[list[tuple[str, int]]] = []
    world.on_begin(Phase.GATE, lambda: seen.append(world.host.nginx.serving("notes")))  # type: ignore[union-attr]
    result = world.deploy("v2")

    assert result.outcome == "deployed", result.error
    assert seen == [before]
    assert len(world.host.nginx.serving("notes")) == 4
    assert world.rollback().error is None  # two replicas were kept: four are made anew
    assert len(world.host.nginx.serving("notes")) == 4


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


def test_a_rollback_to_a_version_that_runs_takes_moments(world: World) -> None:
    """It has proven itself long ago: its answers follow each other without a pause."""
    world.notes["keep"] = "running"
    world.notes["health"] = {**HEALTH, "interval": "10s", "deadline": "60s"}
    world.up()
    world.deploy("v2")
    result = world.rollback()

    assert (result.outcome, result.version) == ("deployed", "v1")
    assert result.seconds["gate"] < 1
    assert world.deploy("v3").seconds["gate"] >= 10


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
    assert result.outcome == "reverted"
    assert str(result.error.hint).startswith("bring the stack up: `stackctl up`; ")
    assert world.states() == {}
