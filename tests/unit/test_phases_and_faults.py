"""Releases that fail: whatever goes wrong and wherever, users keep a version that works."""

from __future__ import annotations

import json
import signal
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from orchestrator.errors import Interrupted
from orchestrator.events import Event, Started
from orchestrator.release.phases import UNDO, Phase, Undo
from tests.fakes.apps import App
from tests.fakes.faults import ALWAYS, Fault
from tests.fakes.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.release.result import Result

BLUE = {"notes-blue-1": "running", "notes-blue-2": "running"}
GREEN = {"notes-green-1": "running", "notes-green-2": "running"}
PHASES = list(Phase)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack that serves v1 from blue, and whose v2 needs a second to become healthy."""
    world = World(tmp_path)
    world.up()
    world.host.apps["v2"] = App(healthy_after=1.0)
    world.changes()
    world.events.clear()
    return world


def evidence(world: World, result: Result) -> Any:
    """Return what a release has left as evidence."""
    assert result.evidence is not None
    return json.loads((world.folder / result.evidence / "evidence.json").read_text())


def interrupt(number: int) -> NoReturn:
    """Do as the signal handler does."""
    raise Interrupted(number)


def on_start(world: World, act: Callable[[], object]) -> None:
    """Let something happen when the release has its lock."""

    def hook(event: Event) -> None:
        if isinstance(event, Started):
            act()

    world.hooks[:] = [hook]


def inject(world: World, phase: Phase, fault: str) -> None:
    """Let a fault happen as a phase begins; a lock is lost just before."""
    if fault == "engine":
        world.on_begin(phase, lambda: world.engine.fail(Fault()))
    elif fault == "lock lost" and phase is PHASES[0]:
        on_start(world, world.host.lose_connections)
    elif fault == "lock lost":
        world.on_end(PHASES[PHASES.index(phase) - 1], world.host.lose_connections)
    else:
        world.on_begin(phase, lambda: interrupt(int(fault)))


def assert_next_release_goes_well(world: World) -> None:
    """Nothing that a failure leaves behind is in the way of the next attempt."""
    world.hooks.clear()

    assert world.deploy("v3").outcome == "deployed"
    assert world.serving() == {"v3"}
    assert world.host.cut == []


EXIT_CODES = {"engine": 1, "lock lost": 5, "2": 130}


def test_every_phase_has_an_undo() -> None:
    """No phase can be added without saying what its failure leads to."""
    assert list(UNDO) == PHASES
    forward = [phase for phase in Phase if UNDO[phase] is Undo.FORWARD]
    assert forward == PHASES[PHASES.index(Phase.CONFIRM) + 1 :]


@pytest.mark.parametrize("fault", EXIT_CODES)
@pytest.mark.parametrize("phase", [p for p in Phase if UNDO[p] is not Undo.FORWARD])
def test_a_failure_up_to_confirm_leaves_the_active_version(
    world: World, phase: Phase, fault: str
) -> None:
    """The candidate is gone, the active containers were not touched, the evidence says where."""
    inject(world, phase, fault)
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("reverted", EXIT_CODES[fault])
    assert world.serving() == {"v1"}
    assert world.states() == {"gateway": "running", **BLUE}
    touched = {name for what, name in world.changes() if what in ("stop", "remove", "start")}
    assert not touched & BLUE.keys()
    assert world.host.cut == []
    left = evidence(world, result)
    assert (left["outcome"], left["failure"]["phase"]) == ("reverted", phase)
    assert left["undone"]["text"] == UNDO[phase]
    assert_next_release_goes_well(world)


@pytest.mark.parametrize("fault", EXIT_CODES)
@pytest.mark.parametrize("phase", [p for p in Phase if UNDO[p] is Undo.FORWARD])
def test_a_failure_after_confirm_goes_forward(world: World, phase: Phase, fault: str) -> None:
    """The new version serves, the old one is left over, and a warning says why."""
    inject(world, phase, fault)
    result = world.deploy("v2")

    assert result.outcome == "deployed"
    assert result.exit_code == (130 if fault == "2" else 0)
    assert world.serving() == {"v2"}
    assert world.states() == {"gateway": "running", **BLUE, **GREEN}
    assert world.host.cut == []
    assert [warning.partition(":")[0] for warning in result.warnings] == [phase]
    left = evidence(world, result)
    assert (left["outcome"], left["warnings"]) == ("deployed", list(result.warnings))
    assert_next_release_goes_well(world)


@pytest.mark.parametrize("phase", PHASES)
def test_an_interruption_at_the_end_of_a_phase_is_one_of_that_phase(
    world: World, phase: Phase
) -> None:
    """A signal in the last moment leads to the same as one in the first."""
    world.on_end(phase, lambda: interrupt(signal.SIGTERM))
    result = world.deploy("v2")

    forward = UNDO[phase] is Undo.FORWARD
    assert (result.outcome, result.exit_code) == ("deployed" if forward else "reverted", 143)
    assert world.serving() == {"v2" if forward else "v1"}
    assert world.host.cut == []


def calls_of_a_release(world: World) -> int:
    """Return how many calls of the engine a release makes."""
    before = len(world.engine.calls)
    world.deploy("v0")
    return len(world.engine.calls) - before


@pytest.mark.parametrize("late", [False, True], ids=["refused", "answer lost"])
def test_no_single_call_that_fails_takes_users_away(world: World, late: bool) -> None:  # noqa: FBT001
    """Each call of the engine fails once: users have the old or the new version, as is said."""
    world.host.apps.clear()
    serving = "v0"
    for skip in range(calls_of_a_release(world)):
        fault = Fault(skip=skip, late=late)
        on_start(world, partial(world.engine.fail, fault))
        result = world.deploy(f"v{skip}-spoiled")

        assert result.outcome in ("deployed", "reverted"), (skip, result.error)
        serving = result.version if result.outcome == "deployed" else serving
        assert world.serving() == {serving}, (skip, result)
        assert world.host.cut == [], (skip, world.engine.calls[-40:])
        assert (world.folder / str(result.evidence) / "evidence.json").exists()
        world.engine.faults.clear()


def test_an_engine_that_goes_away_for_good_leaves_users_where_they_are(world: World) -> None:
    """From each call on none succeeds: nobody is cut off, and the evidence is there."""
    world.host.apps.clear()
    serving = {"v0"}
    for skip in range(0, calls_of_a_release(world), 2):
        fault = Fault(skip=skip, times=ALWAYS)
        on_start(world, partial(world.engine.fail, fault))
        result = world.deploy(f"v{skip}-spoiled")
        world.engine.faults.clear()

        assert world.serving() <= {*serving, result.version}, (skip, result)
        assert len(world.serving()) == 1
        assert world.host.cut == []
        assert evidence(world, result)["outcome"] == result.outcome
        serving = world.serving()


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


@pytest.mark.parametrize("phase", [Phase.STAGE, Phase.PROMOTE])
def test_a_reload_that_nginx_ignores_is_noticed_and_undone(world: World, phase: Phase) -> None:
    """HUP says nothing; that the new config does not answer does."""
    world.on_begin(phase, lambda: setattr(world.host.habits, "ignores_reloads", 1))
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert result.error is not None
    assert "10 s after the reload" in result.error.message
    assert world.serving() == {"v1"}
    assert world.states() == {"gateway": "running", **BLUE}


def test_a_config_that_cannot_be_restored_calls_for_a_person(world: World) -> None:
    """Exit code 4; both versions keep running, since nobody knows who is asked."""
    world.on_begin(Phase.PROMOTE, lambda: setattr(world.host.habits, "ignores_reloads", 99))
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("failed_unsafe", 4)
    assert result.error is not None
    assert "could not be restored" in result.error.message
    assert world.states() == {"gateway": "running", **BLUE, **GREEN}
    left = evidence(world, result)
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
    assert evidence(world, result)["failure"]["phase"] == "gate"


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
    assert evidence(world, result)["failure"]["phase"] == "build"


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
