"""Waiting, without waiting."""

from __future__ import annotations

from datetime import UTC

import pytest

from orchestrator.clock import SystemClock, poll
from tests.fakes.clock import FakeClock


def test_the_first_answer_ends_the_wait() -> None:
    """Without any sleep where it comes at once, after some otherwise."""
    clock = FakeClock()
    answers = iter([None, None, "here"])
    assert poll(lambda: 0, clock=clock, every=1, within=10) == 0
    assert clock.slept == []
    assert poll(lambda: next(answers), clock=clock, every=1.5, within=10) == "here"
    assert clock.slept == [1.5, 1.5]


@pytest.mark.parametrize(("within", "asked"), [(0, 1), (1, 2), (2.5, 4)])
def test_the_last_question_is_asked_at_the_deadline(within: float, asked: int) -> None:
    """Not before it, and there is no answer after it."""
    clock, questions = FakeClock(), []

    def ask() -> None:
        questions.append(clock.monotonic())

    assert poll(ask, clock=clock, every=1, within=within) is None
    assert len(questions) == asked
    assert questions[-1] >= within


def test_what_a_question_raises_is_raised() -> None:
    """An error ends the wait as it is."""

    def ask() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        poll(ask, clock=FakeClock(), every=1, within=10)


def test_the_machine_has_a_clock() -> None:
    """It knows UTC, never goes back, and sleeps."""
    clock = SystemClock()
    before = clock.monotonic()
    clock.sleep(0)
    assert clock.monotonic() >= before
    assert clock.now().tzinfo is UTC
