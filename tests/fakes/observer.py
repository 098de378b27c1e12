"""The witness beside a server of a test, and waiting for what it says."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from orchestrator.evidence.witness import Witness
from orchestrator.stack.model import WitnessRequest
from tests.fakes.server import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from orchestrator.evidence.notes import Note
    from orchestrator.evidence.samples import Sample
    from tests.fakes.server import Request, Server

PATIENCE = 30.0  # seconds until a test gives up
READ = WitnessRequest(path="/notes/")
WRITE = WitnessRequest(method="POST", path="/notes/search", json={"text": "witness"})


class Observer:
    """A witness that runs, and all that it has said so far."""

    def __init__(
        self,
        server: Server,
        keepalive: float,
        requests: Sequence[WitnessRequest] = (READ, WRITE),
        **wishes: Any,
    ) -> None:
        self.server = server
        self.samples: list[Sample] = []
        self.notes: list[Note] = []
        self._said = threading.Condition()
        self.witness = Witness(
            server.address, requests, keepalive, self._hear, on_note=self._read, **wishes
        )

    def await_said(self, enough: Callable[[], bool]) -> None:
        """Wait until the witness has said enough."""
        with self._said:
            assert self._said.wait_for(enough, PATIENCE), (self.samples[-5:], self.notes[-5:])

    def answers(self, version: str) -> int:
        """Return how many good answers came from a version."""
        return sum(s.version == version and s.lost is None for s in self.samples)

    def noted(self, what: str, client: str = "") -> list[Note]:
        """Return the notes of one kind, of one kind of client."""
        return [n for n in self.notes if n.note == what and client in ("", n.client)]

    @property
    def lost(self) -> list[Sample]:
        """Return the requests that were lost."""
        return [sample for sample in self.samples if sample.lost]

    def _hear(self, sample: Sample) -> None:
        with self._said:
            self.samples.append(sample)
            self._said.notify_all()

    def _read(self, note: Note) -> None:
        with self._said:
            self.notes.append(note)
            self._said.notify_all()


@contextmanager
def observing(
    behave: Callable[[Request], bool], keepalive: float = 60.0, **wishes: Any
) -> Iterator[Observer]:
    """Let a witness look at a server until the end of the block."""
    with serving(behave) as server, observing_server(server, keepalive, **wishes) as observer:
        yield observer


@contextmanager
def observing_server(server: Server, keepalive: float = 60.0, **wishes: Any) -> Iterator[Observer]:
    """Let a witness look at this one until the end of the block."""
    observer = Observer(server, keepalive, **wishes)
    observer.witness.start()
    try:
        yield observer
    finally:
        observer.witness.stop()
