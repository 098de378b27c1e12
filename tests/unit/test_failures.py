"""Releases that fail: what goes wrong in practice, and what is left of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.events import Event, Failed
from orchestrator.release.phases import Phase
from orchestrator.release.preview import PATIENCE
from tests.fakes.apps import NEVER, App
from tests.fakes.faults import ALWAYS, Fault
from tests.fakes.world import NOTES, World

if TYPE_CHECKING:
    from pathlib import Path

BLUE = {"notes-blue-1": "running", "notes-blue-2": "running"}
GREEN = {"notes-green-1": "running", "notes-green-2": "running"}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack that serves v1 from blue, and whose v2 needs a second to become healthy."""
    world = World(tmp_path).begin()
    world.host.apps["v2"] = App(healthy_after=1.0)
    return world


def change_config(world: World) -> None:
    """Have the next release need another config."""
    world.notes["routes"] = [{"path": "/new/"}]
    world.notes["witness"] = []


def test_words_of_nginx_are_shown_when_it_refuses_the_config(world: World) -> None:
    """The test comes before any change: no candidate starts, and the old config never left."""
    change_config(world)
    world.host.habits.refuses["location /new/"] = "[emerg] unknown directive"
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert result.error is not None
    assert "[emerg] unknown directive" in result.error.message
    assert not {("signal", "gateway"), ("create", "notes-green-1")} & set(world.changes())
    assert world.states() == {"gateway": "running", **BLUE}
    assert world.stored_configs() == (world.house.admin.serving(),)


def test_a_reload_that_nginx_ignores_is_noticed_and_taken_back(world: World) -> None:
    """HUP says nothing; that the new config does not answer does."""
    change_config(world)
    world.host.habits.ignore(1)
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert result.error is not None
    assert "10 s after the reload" in result.error.message
    assert world.serving() == {"v1"}
    assert world.states() == {"gateway": "running", **BLUE}
    assert world.house.admin.current() == world.house.admin.config()


def test_a_config_that_cannot_be_restored_calls_for_a_person(world: World) -> None:
    """Exit code 4: nobody knows what a restarted gateway would serve."""
    change_config(world)
    world.host.habits.ignore(99)
    world.on_begin(
        Phase.CONFIGURE, lambda: world.engine.fail(Fault("signal", skip=1, times=ALWAYS))
    )
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("failed_unsafe", 4)
    assert result.error is not None
    assert "could not be restored" in result.error.message
    assert world.states() == {"gateway": "running", **BLUE}


def test_old_workers_that_do_not_know_the_candidate_are_waited_for(world: World) -> None:
    """A worker of the config before would send its users to where the candidate is not."""
    world.notes["port"] = 9000
    world.host.apps["v2"] = App(port=9000)
    world.host.habits.workers_linger = 4.0
    result = world.deploy("v2")

    assert result.outcome == "deployed"
    assert result.seconds["gate"] + result.seconds["preview"] + result.seconds["promote"] > 3.5
    assert world.host.cut == []


def test_old_workers_that_know_the_candidate_are_not_waited_for(world: World) -> None:
    """Another route is another config, but the link leads their users to the same addresses."""
    change_config(world)
    world.host.habits.workers_linger = 4.0
    result = world.deploy("v2")

    assert result.outcome == "deployed", result.error
    assert result.seconds["promote"] < 1
    assert world.host.cut == []


def test_an_address_is_given_out_once_no_worker_knows_it_as_anothers(world: World) -> None:
    """Two changes in a row: the second one waits until nobody is left of before the first."""
    world.host.habits.workers_linger = 4.0
    change_config(world)
    assert world.up().gateway == "reconfigured"
    began = world.clock.monotonic()
    world.document["services"]["web"] = {**NOTES, "build": "notes"}
    assert world.up().gateway == "reconfigured"

    assert world.clock.monotonic() - began > 3
    assert world.host.cut == []


def test_a_link_that_users_do_not_follow_is_noticed_and_moved_back(world: World) -> None:
    """That the link was moved says nothing; who answers at the public door does."""
    change_config(world)
    world.on_begin(Phase.PROMOTE, lambda: setattr(world.host.habits, "blind", True))
    world.on_begin(Phase.CONFIRM, world.hooks.clear)
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("failed_unsafe", 4)
    assert result.error is not None
    assert "users of `notes` do not get green 10 s after the switch" in result.error.message


def test_a_move_that_was_only_said_to_be_made_is_noticed(world: World) -> None:
    """Where no route leads to the service, the lane that NGINX finds is all that tells."""
    world.on_begin(Phase.PROMOTE, lambda: setattr(world.host.habits, "keeps_links", True))
    world.hooks.append(lambda event: let_links_go(world, event))
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert result.error is not None
    assert "10 s after the switch" in result.error.message
    assert world.serving() == {"v1"}


def let_links_go(world: World, event: Event) -> None:
    """Have links moved again once the release has failed."""
    if isinstance(event, Failed):
        world.host.habits.keeps_links = False


def test_a_switch_that_cannot_be_made_leaves_the_active_version(world: World) -> None:
    """The link is where it was, and the candidate goes."""
    world.on_begin(Phase.PROMOTE, lambda: world.engine.fail(Fault("ask", times=2)))
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert world.serving() == {"v1"}
    assert world.states() == {"gateway": "running", **BLUE}
    assert world.house.admin.lane("notes") is not None
    assert world.house.admin.lane("notes").step == "settled"  # type: ignore[union-attr]


def test_a_gateway_that_serves_another_config_is_not_switched(world: World) -> None:
    """The candidate may not be listed in it: its users would get errors."""

    def disturb() -> None:
        assert world.host.nginx is not None
        text = world.host.nginx.text
        world.host.nginx.text = text.replace(world.house.admin.serving() or "?", "0" * 16)

    world.on_begin(Phase.PROMOTE, disturb)
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert result.error is not None
    assert "the gateway serves the config `0000000000000000`" in result.error.message
    assert world.states() == {"gateway": "running", **BLUE}


def test_a_gateway_that_dies_in_the_switch_calls_for_a_person(world: World) -> None:
    """No container is taken away while nobody knows what NGINX will serve."""
    world.on_begin(Phase.CONFIRM, lambda: world.host.end("stop", world.host.box("shop-gateway")))
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("failed_unsafe", 4)
    assert world.states() == {"gateway": "exited", **BLUE, **GREEN}


@pytest.mark.parametrize(
    ("app", "words"),
    [
        (App(healthy_after=99), "did not give 2 healthy answers in a row within 5 s"),
        (App(ready_after=99), "did not give 2 healthy answers in a row within 5 s"),
        (App(flaps=True), "did not give 2 healthy answers in a row within 5 s"),
        (App(crashes=True), "crashed at start"),
        (App(answers="v9"), "answers version `v9`, asked for was `v2`"),
        (App(port=9000), "did not give 2 healthy answers in a row within 5 s"),
    ],
    ids=["unhealthy", "silent", "flapping", "crashing", "wrong version", "wrong port"],
)
def test_a_candidate_that_is_no_good_never_gets_a_user(world: World, app: App, words: str) -> None:
    """The gate refuses it, its last words are shown, and NGINX was not touched."""
    world.host.apps["v2"] = app
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert result.error is not None
    assert words in result.error.message
    assert "shop-notes-green-1" in result.logs
    assert "started" in result.logs
    assert ("signal", "gateway") not in world.changes()
    assert world.states() == {"gateway": "running", **BLUE}
    assert world.evidence(result)["failure"]["phase"] == "gate"


@pytest.mark.parametrize(
    ("other", "shown"),
    [(("no database",), ["no database"]), ((), ["GET /health HTTP/1.1 500"] * 20)],
)
def test_the_log_that_is_shown_is_not_the_probes_own(
    world: World, other: tuple[str, ...], shown: list[str]
) -> None:
    """Many lines of an access log hide no other one; where there are no others, they are shown."""
    probes = ("GET /health HTTP/1.1 500",) * 99
    world.host.apps["v2"] = App(healthy_after=NEVER, prints=(*other, *probes))
    result = world.deploy("v2")
    own = result.logs.split("\n\n")[0].splitlines()
    first = own.index("shop-notes-green-1 (running):")
    assert own[first + 1 : first + 1 + len(shown)] == shown
    assert own[first + 1 + len(shown)].startswith("shop-notes-green-2")


def test_a_log_that_cannot_be_read_does_not_hold_up_the_undoing(world: World) -> None:
    """What is only to be shown is not worth leaving a bad candidate behind."""
    world.host.apps["v2"] = App(crashes=True)
    world.engine.fail(Fault("logs", times=ALWAYS))
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert world.states() == {"gateway": "running", **BLUE}
    assert "no log" in result.logs


def test_a_candidate_that_dies_after_the_gate_gets_no_user(world: World) -> None:
    """The preview asks every replica once more, the way that traffic will take."""
    world.on_begin(
        Phase.PREVIEW, lambda: world.host.end("stop", world.host.box("shop-notes-green-2"))
    )
    began = world.clock.monotonic()
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert result.error is not None
    assert "`shop-notes-green-2` did not go on running" in result.error.message
    assert world.clock.monotonic() - began < PATIENCE  # nobody waits for one that is dead
    assert world.serving() == {"v1"}
    assert world.states() == {"gateway": "running", **BLUE}


def test_a_candidate_that_nginx_cannot_reach_gets_no_user(world: World) -> None:
    """Healthy by itself is not enough: it has to answer through its upstream."""
    world.host.habits.deaf_upstreams = True
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert result.error is not None
    assert result.error.message.startswith("the preview of `notes` `v2` is not reached at 10.")
    assert world.serving() == {"v1"}


def test_an_image_that_does_not_build_changes_nothing(world: World) -> None:
    """The builder's last words are in the error."""
    (world.folder / "notes" / "Dockerfile").write_text("FROM python:3.13-slim\nRUN false\n")
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert result.error is not None
    assert "RUN false" in result.error.message
    assert world.states() == {"gateway": "running", **BLUE}
    assert world.evidence(result)["failure"]["phase"] == "build"


def test_a_first_release_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """The gateway goes on to say that the service has not been released yet."""
    world = World(tmp_path)
    world.host.apps["v1"] = App(crashes=True)
    done = world.up()

    assert [result.outcome for result in done.services] == ["reverted"]
    assert done.exit_code == 1
    assert world.states() == {"gateway": "running"}
    assert world.serving() == set()


def test_a_rollback_that_fails_puts_the_kept_version_back_to_sleep(world: World) -> None:
    """It can be tried again: what was kept for a rollback is not removed."""
    world.host.apps.clear()
    world.deploy("v2")
    world.on_begin(Phase.PREVIEW, lambda: world.engine.fail(Fault()))
    result = world.rollback()
    world.hooks.clear()

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert world.states() == {"gateway": "running", **dict.fromkeys(BLUE, "exited"), **GREEN}
    assert world.rollback().outcome == "deployed"
    assert world.host.cut == []


def test_a_first_release_whose_gateway_stops_behind_the_switch_keeps_its_candidate(
    tmp_path: Path,
) -> None:
    """Nobody can tell what the link says: users may have the candidate once NGINX is back."""
    world = World(tmp_path)
    world.on_begin(Phase.CONFIRM, lambda: world.host.end("stop", world.host.box("shop-gateway")))
    (result,) = world.up().services
    assert (result.outcome, result.exit_code) == ("failed_unsafe", 4)
    world.hooks.clear()

    done = world.up()
    assert [(each.outcome, each.version) for each in done.services] == [("unchanged", "v1")]
    assert world.serving() == {"v1"}
    assert world.states() == {"gateway": "running", **BLUE}
