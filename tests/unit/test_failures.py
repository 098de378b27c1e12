"""Releases that fail: what goes wrong in practice, and what is left of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.release.phases import Phase
from tests.fakes.apps import App
from tests.fakes.faults import ALWAYS, Fault
from tests.fakes.world import World

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


def test_words_of_nginx_are_shown_when_it_refuses_the_config(world: World) -> None:
    """The test comes before any change: the candidate goes, and the old config never left."""
    world.host.habits.refuses[".promote"] = "[emerg] unknown directive"
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert result.error is not None
    assert "[emerg] unknown directive" in result.error.message
    assert ("signal", "gateway") not in world.changes()
    assert world.states() == {"gateway": "running", **BLUE}


def test_a_refused_last_config_is_only_a_warning(world: World) -> None:
    """Users have the new version already; the gateway keeps both colors until the next time."""
    world.host.habits.refuses[".retire"] = "[emerg] no space left"
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code, len(result.warnings)) == ("deployed", 0, 1)
    assert world.serving() == {"v2"}
    assert world.states() == {"gateway": "running", **BLUE, **GREEN}


@pytest.mark.parametrize(
    ("phase", "reason"),
    [(Phase.STAGE, "the preview of `notes` `v2`"), (Phase.PROMOTE, "10 s after the reload")],
)
def test_a_reload_that_nginx_ignores_is_noticed_and_undone(
    world: World, phase: Phase, reason: str
) -> None:
    """HUP says nothing; that the new config does not answer does."""
    world.on_begin(phase, lambda: world.host.habits.ignore(1))
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert result.error is not None
    assert reason in result.error.message
    assert world.serving() == {"v1"}
    assert world.states() == {"gateway": "running", **BLUE}


def test_a_worker_that_begins_late_is_waited_for(world: World) -> None:
    """Before the pointer moves: who accepted until then must accept no more afterwards."""
    world.host.habits.workers_linger = 20.0
    world.host.habits.workers_apart = 5.0
    result = world.deploy("v2")

    assert result.outcome == "deployed"
    assert result.seconds["promote"] > 4


def test_a_worker_that_never_begins_is_not_taken_for_one(tmp_path: Path) -> None:
    """The preview is answered by the other one, but NGINX is not well."""
    world = World(tmp_path, gateway={"image": "nginx:1.30", "drain_timeout": "60s"})
    world.up()
    world.host.habits.workers_linger = 20.0
    world.host.habits.workers_apart = 99.0
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert result.error is not None
    assert "has not started all its workers" in result.error.message
    assert world.serving() == {"v1"}


def test_a_config_that_cannot_be_restored_calls_for_a_person(world: World) -> None:
    """Exit code 4; both versions keep running, since nobody knows who is asked."""
    world.on_begin(Phase.PROMOTE, lambda: world.host.habits.ignore(99))
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("failed_unsafe", 4)
    assert result.error is not None
    assert "could not be restored" in result.error.message
    assert world.states() == {"gateway": "running", **BLUE, **GREEN}
    left = world.evidence(result)
    assert (left["outcome"], left["failure"]["phase"]) == ("failed_unsafe", "confirm")


def test_a_gateway_that_dies_in_the_switch_calls_for_a_person(world: World) -> None:
    """No container is taken away while nobody knows what NGINX will serve."""
    world.on_begin(Phase.CONFIRM, lambda: world.host.end("stop", world.host.box("shop-gateway")))
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("failed_unsafe", 4)
    assert world.states() == {"gateway": "exited", **BLUE, **GREEN}


@pytest.mark.parametrize(
    ("app", "words"),
    [
        (App(healthy_after=99), "gave no 2 healthy answers in a row within 5 s"),
        (App(ready_after=99), "gave no 2 healthy answers in a row within 5 s"),
        (App(flaps=True), "gave no 2 healthy answers in a row within 5 s"),
        (App(crashes=True), "crashed at start"),
        (App(answers="v9"), "answers version `v9`, asked for was `v2`"),
        (App(port=9000), "gave no 2 healthy answers in a row within 5 s"),
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
        Phase.STAGE, lambda: world.host.end("stop", world.host.box("shop-notes-green-2"))
    )
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert world.serving() == {"v1"}
    assert world.states() == {"gateway": "running", **BLUE}


def test_a_candidate_that_nginx_cannot_reach_gets_no_user(world: World) -> None:
    """Healthy by itself is not enough: it has to answer through its upstream."""
    world.host.habits.resolves_after = 99
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
    world.on_begin(Phase.STAGE, lambda: world.engine.fail(Fault()))
    result = world.rollback()
    world.hooks.clear()

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert world.states() == {"gateway": "running", **dict.fromkeys(BLUE, "exited"), **GREEN}
    assert world.rollback().outcome == "deployed"
    assert world.host.cut == []
