"""Which version users may get at which moment: from the releases' evidence and the moves by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from benchmarks.scene import to_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from benchmarks.crowd import Answer

PRECISION = 0.002  # seconds; the evidence has whole milliseconds


@dataclass
class Turns:
    """Who was active, and who had a share, one after the other. Unix times."""

    promotes: list[tuple[float, float, str]] = field(default_factory=list)  # between which moments
    shares: list[tuple[float, float, str]] = field(default_factory=list)  # from when until when

    def note_release(self, version: str, events: Iterable[Mapping[str, Any]]) -> None:
        """Take in a release: between the phase's begin and its move the traffic changed hands."""
        began = moved = 0.0
        for event in events:
            if event["event"] == "phase" and event["phase"] == "promote":
                began = to_time(event)
            if event["event"] == "moved" and event["step"] == "promoted":
                moved = to_time(event)
        self.promotes.append((began, moved, version))

    def count_strangers(self, answers: Iterable[Answer]) -> int:
        """Return how many answers came from a version that was neither active nor had a share.

        Who has decided for a version gets its answer, however long that takes: what counts is
        whether it had its turn at any time between the request's begin and its end.
        """
        spells = [*self._reigns(), *self.shares]
        return sum(
            not any(
                version == answer.version
                and begin - PRECISION <= answer.ended
                and answer.began <= end + PRECISION
                for begin, end, version in spells
            )
            for answer in answers
        )

    def _reigns(self) -> list[tuple[float, float, str]]:
        ends = [moved for _, moved, _ in self.promotes[1:]] + [float("inf")]
        return [
            (began, end, version)
            for (began, _, version), end in zip(self.promotes, ends, strict=True)
        ]
