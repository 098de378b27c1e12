"""A fault in every phase and in every call: users keep a version that works."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, NoReturn

import pytest

from orchestrator.errors import Interrupted, UnsafeError
from orchestrator.events import Event, Failed, Recovered, Warned
from orchestrator.release.candidate import in_parallel
from orchestrator.release.phases import UNDO, Phase, Undo
from orchestrator.signals import put_off
from tests.fakes.apps import App
from tests.fakes.clock import FakeClock
from tests.fakes.faults import ALWAYS, Fault, listening, press
from tests.fakes.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime
    from pathlib import Path


BLUE = {"notes-blue-1": "running", "notes-blue-2": "running"}
GREEN = {"notes-green-1": "running", "notes-green-2": "running"}
PHASES: list[Phase] = [
    phase for phase in Phase if phase is not Phase.CONFIGURE
]  # which has a test of its own


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack that serves v1 from blue, and whose v2 needs a second to become healthy."""
    world = World(tmp_path).begin()
    world.host.apps["v2"] = App(healthy_after=1.0)
    return world


def interrupt(number: int) -> NoReturn:
    """Do as the signal handler does."""
    raise Interrupted(number)


def inject(world: World, phase: Phase, fault: str) -> None:
    """Let a fault happen as a phase begins; a lock is lost just before."""
    if fault == "engine":
        # Moving the link is tried twice, and two replicas are retired at once.
        once = 2 if phase in (Phase.START, Phase.PROMOTE, Phase.RETIRE) else 1
        if phase is Phase.CONFIRM:  # it asks NGINX alone
            world.on_begin(phase, lambda: setattr(world.host, "silent", 10_000))
            world.hooks.append(lambda event: answer_again(world, event))
        elif (
            phase is Phase.DRAIN
        ):  # it asks the engine about who is not answered, now and at the end
            world.on_begin(phase, lambda: world.engine.fail(Fault(times=10_000)))
            world.hooks.append(lambda event: answer_again(world, event))
            world.on_begin(phase, lambda: setattr(world.host, "silent", 10_000))
        else:
            world.on_begin(phase, lambda: world.engine.fail(Fault(times=once)))
    elif fault == "lock lost":
        world.on_end(PHASES[PHASES.index(phase) - 1], world.host.lose_connections)
    else:
        world.on_begin(phase, lambda: interrupt(int(fault)))


def answer_again(world: World, event: Event) -> None:
    """Let NGINX, and the engine, answer once the release has failed."""
    if isinstance(event, Failed | Warned):
        world.host.silent = 0
        world.engine.faults.clear()


def assert_next_release_goes_well(world: World) -> None:
    """Nothing that a failure leaves behind is in the way of the next attempt."""
    world.hooks.clear()
    world.host.silent = 0

    assert world.deploy("v3").outcome == "deployed"
    assert world.serving() == {"v3"}
    assert world.host.cut == []


EXIT_CODES = {"engine": 1, "2": 130}


@pytest.mark.parametrize("fault", EXIT_CODES)
@pytest.mark.parametrize("phase", [p for p in PHASES if UNDO[p] is not Undo.FORWARD])
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
    left = world.evidence(result)
    assert (left["outcome"], left["failure"]["phase"]) == ("reverted", phase)
    assert left["undone"]["text"] == UNDO[phase]
    assert_next_release_goes_well(world)


@pytest.mark.parametrize("fault", [*EXIT_CODES, "lock lost"])
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
    left = world.evidence(result)
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


@pytest.fixture
def armed() -> Iterator[None]:
    """Take signals as the command line does."""
    with listening():
        yield


@pytest.mark.usefixtures("armed")
@pytest.mark.parametrize("method", ["containers", "remove", "execute"])
def test_a_signal_during_the_undoing_lets_it_go_on(world: World, method: str) -> None:
    """A candidate that failed by itself is taken away all the same, and its reason stays."""
    world.host.apps["v2"] = App(crashes=True)

    def tear(event: Event) -> None:
        if isinstance(event, Failed):
            world.engine.fail(Fault(method, error=press))

    world.hooks.append(tear)
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert result.error is not None
    assert "crashed at start" in result.error.message
    assert world.states() == {"gateway": "running", **BLUE}


@pytest.mark.usefixtures("armed")
def test_a_signal_while_last_words_are_read_is_undone_all_the_same(world: World) -> None:
    """They are only to be shown."""
    world.host.apps["v2"] = App(crashes=True)
    world.engine.fail(Fault("logs", error=press))
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert world.states() == {"gateway": "running", **BLUE}


@pytest.mark.usefixtures("armed")
def test_a_signal_after_a_warning_is_not_forgotten(world: World) -> None:
    """Users have the new version and the last step failed; `up` must not go on to the next one."""
    world.on_begin(Phase.RETIRE, lambda: world.engine.fail(Fault("unpersist")))
    world.on_begin(Phase.RETIRE, lambda: world.engine.fail(Fault("logs", error=press)))
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("deployed", 130)
    assert [warning.partition(":")[0] for warning in result.warnings] == [Phase.RETIRE]


@pytest.mark.usefixtures("armed")
def test_a_signal_does_not_tear_the_switch(world: World) -> None:
    """Half a talk with the process that moves the link would spoil the next one."""
    world.on_begin(Phase.PROMOTE, lambda: world.engine.fail(Fault("ask", late=True, error=press)))
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("reverted", 130)
    said = [what.split()[0] for what, name in world.changes() if name == "gateway"]
    assert said == ["move"] * 3  # stage, promote, and back


@pytest.mark.usefixtures("armed")
def test_a_signal_waits_for_what_was_begun_beside_it() -> None:
    """A container that is being made must be there before the undoing looks for it."""
    left, made = threading.Event(), []

    def make(number: int) -> None:
        press()
        left.wait(0.5)  # for as long as somebody might leave who does not wait
        made.append(number)

    with pytest.raises(Interrupted):
        in_parallel(make, [1])
    left.set()
    assert made == [1]


@pytest.mark.usefixtures("armed")
def test_that_a_person_is_needed_is_graver_than_a_signal() -> None:
    """The exit code is 4, not 130."""

    def fail() -> None:
        with put_off():
            press()
            raise UnsafeError("nobody knows")

    with pytest.raises(UnsafeError):
        fail()


class Alarm(FakeClock):
    """A clock at whose first look somebody presses Ctrl-C."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self.armed = False

    def now(self) -> datetime:
        """Return the wall-clock time."""
        return self._clock.now()

    def monotonic(self) -> float:
        """Return the seconds, and ring once."""
        if self.armed:
            self.armed = False
            press()
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self._clock.sleep(seconds)


@pytest.mark.usefixtures("armed")
def test_a_signal_while_evidence_is_closed_is_no_fault_of_the_evidence(world: World) -> None:
    """It is whole, and nothing new begins."""
    world.on_begin(Phase.GATE, lambda: world.engine.fail(Fault(times=ALWAYS, error=SystemExit)))
    with pytest.raises(SystemExit):
        world.deploy("v2")
    world.hooks.clear()
    world.engine.faults.clear()
    world.host.lose_connections()
    world.clock = alarm = Alarm(world.clock)

    def arm(event: Event) -> None:
        alarm.armed |= isinstance(event, Recovered)

    world.hooks.append(arm)
    with pytest.raises(Interrupted):
        world.deploy("v3")

    told = [event.text for event in world.events if isinstance(event, Recovered)]
    assert told[-1].endswith("is closed: it was interrupted")
    assert world.serving() == {"v1"}
