"""What a witness has said so far, told to whoever listens."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.evidence.samples import count

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orchestrator.evidence.notes import Note
    from orchestrator.evidence.samples import Figures, Sample, Span


class Testimony:
    """Samples and notes, in the order in which they came."""

    def __init__(
        self, on_sample: Callable[[Sample], None], on_note: Callable[[Note], None] | None
    ) -> None:
        self.closed_early = 0  # kept connections, within the announced time
        self.failure: str | None = None  # why the witness could not testify to the end
        self._samples: list[Sample] = []
        self._notes: list[Note] = []
        self._on_sample = on_sample
        self._on_note = on_note

    def add(self, sample: Sample) -> None:
        """Take down what became of a request."""
        self._samples.append(sample)
        self._on_sample(sample)

    def note(self, note: Note) -> None:
        """Take down what was noticed beside."""
        self._notes.append(note)
        if self._on_note is not None:
            self._on_note(note)

    def count(self, closed: Sequence[Span]) -> Figures:
        """Return the figures of all that was said; `closed` is when the service was."""
        return count(self._samples, self.closed_early, self.failure, self._notes, closed)
