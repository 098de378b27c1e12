"""A witness that stood still testifies to nothing of that time, and accuses nobody."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from orchestrator.evidence.notes import Note
from orchestrator.evidence.pulse import BEAT, LATE, Pulse, read_awake
from orchestrator.evidence.samples import Sample, count, parse_entry
from orchestrator.evidence.summary import judge
from orchestrator.evidence.witness import Witness
from orchestrator.release.result import SLO_MISSED, Result
from orchestrator.stack.model import WitnessRequest
from orchestrator.wording import summarize
from tests.fakes.server import GOOD, Request, serving

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.evidence.samples import Figures

PATIENCE = 30.0  # seconds until a test gives up
KEEPALIVE = 0.3  # seconds
READ = WitnessRequest(path="/notes/")


class Sleeper:
    """A clock that jumps: for so many seconds everybody slept."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now


def test_a_pulse_tells_of_what_it_missed() -> None:
    """What is late by less than a busy machine is, is none."""
    clock, told = Sleeper(), list[float]()
    pulse = Pulse(told.append, clock)
    for seconds in (0.0, BEAT, BEAT + LATE, BEAT + LATE + 0.5, 120.0, 1.0):
        clock.now += seconds
        pulse.look()
    assert told == [BEAT + LATE + 0.5, 120.0]


def test_what_came_before_a_standstill_is_spoilt_by_it() -> None:
    """What begins behind it is not."""
    clock = Sleeper()
    pulse = Pulse(lambda _: None, clock)
    before = pulse.look()
    assert not pulse.missed(before)
    clock.now += 120
    assert pulse.missed(before)
    assert not pulse.missed(clock.now)


def test_the_clock_goes_on() -> None:
    """It never goes back."""
    first = read_awake()
    assert read_awake() >= first


def observe(
    *, jump: float, lose: bool
) -> tuple[Figures, list[Sample], list[Note], Sequence[Request]]:
    """Let everybody sleep while a request is in flight, which is then closed (`lose`) or answered."""
    clock, samples, notes = Sleeper(), list[Sample](), list[Note]()
    slept, seen = threading.Event(), threading.Event()
    victims: list[object] = []

    def behave(request: Request) -> bool:
        if len(samples) < 30 or slept.is_set():
            return request.answer(GOOD) and request.peer not in victims
        slept.set()
        victims.append(request.peer)
        clock.now += jump
        return False if lose else request.answer(GOOD)

    def take(sample: Sample) -> None:
        samples.append(sample)
        if slept.is_set() and len(samples) > 90:
            seen.set()

    with serving(behave) as server:
        witness = Witness(
            server.address, [READ], KEEPALIVE, take, on_note=notes.append, awake=clock
        )
        witness.start()
        assert seen.wait(PATIENCE)
        return witness.stop(), samples, notes, server.requests


@pytest.mark.parametrize("lose", [True, False])
def test_a_request_across_a_standstill_is_none(*, lose: bool) -> None:
    """It is neither lost nor answered: the witness says that it failed, and for how long."""
    figures, samples, notes, requests = observe(jump=120.0, lose=lose)
    assert figures.failure is not None
    assert figures.failure.startswith("it stood still for 120.0 s")
    assert (figures.lost, figures.closed_early) == (0, 0)
    assert len(samples) < len(requests)
    (stood,) = (note for note in notes if note.note == "stood")
    assert stood.idle == 120.0
    assert count(samples, 0, figures.failure, notes).facts() == figures.facts()


def test_a_busy_machine_is_no_standstill() -> None:
    """A loss is one, also where the clock was looked at a little late."""
    figures, _, notes, _ = observe(jump=LATE - BEAT, lose=True)
    assert (figures.failure, figures.lost) == (None, 1)
    assert not [note for note in notes if note.note == "stood"]


def make_sample(at: float, lost: str | None = None) -> Sample:
    """Return a request of the witness."""
    return Sample(at, "fresh", "GET /", 0.0, 10.0, None if lost else 200, "", lost)


def test_the_longest_gap_is_one_in_which_somebody_looked() -> None:
    """Nobody knows what users got meanwhile."""
    samples = [make_sample(at) for at in (1.0, 2.0, 122.0, 122.5)]
    assert count(samples).longest_gap_ms == 120_000
    assert count(samples, notes=[Note(122.0, "stood", idle=120.0)]).longest_gap_ms == 1000


def test_a_note_of_a_standstill_is_read_again() -> None:
    """So that the evidence can be drawn once more."""
    line = '{"at": 1.0, "note": "stood", "client": "", "request": "", "idle": 9.0, "text": "x"}'
    assert parse_entry(line) == Note(1.0, "stood", idle=9.0, text="x")


@pytest.mark.parametrize(("lost", "lossless"), [(None, None), ("closed", False)])
def test_the_verdict_is_that_the_witness_failed(lost: str | None, lossless: object) -> None:
    """Unless a request was lost while it looked. The exit code is that of an objective not met."""
    figures = count([make_sample(1.0), make_sample(2.0, lost)], failure="it stood still for 9.0 s")
    verdict = judge("deployed", figures.facts())
    assert verdict["lossless"] is lossless
    result = Result("deployed", "web", "v2", "blue", "r", "reports/r", figures, {"total": 1.0})
    assert result.exit_code == SLO_MISSED
    assert "\nthe witness failed: it stood still for 9.0 s\n" in summarize(result)
