"""A witness that stood still while requests were in flight, over real connections."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from orchestrator.evidence.notes import Note
from orchestrator.evidence.pulse import BEAT, LATE
from orchestrator.evidence.samples import Sample, count
from orchestrator.evidence.witness import Witness
from orchestrator.stack.model import WitnessRequest
from tests.fakes.clock import Sleeper
from tests.fakes.server import GOOD, Request, serving

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.evidence.samples import Figures

PATIENCE = 30.0  # seconds until a test gives up
KEEPALIVE = 0.3  # seconds
READ = WitnessRequest(path="/notes/")


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
