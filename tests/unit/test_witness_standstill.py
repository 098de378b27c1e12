"""A witness that stood still testifies to nothing of that time, and accuses nobody."""

from __future__ import annotations

import pytest

from orchestrator.evidence.notes import Note
from orchestrator.evidence.pulse import BEAT, LATE, Pulse, read_awake
from orchestrator.evidence.samples import Sample, count, parse_entry
from orchestrator.evidence.summary import judge
from orchestrator.release.result import SLO_MISSED, Result
from orchestrator.wording import summarize
from tests.fakes.clock import Sleeper


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
