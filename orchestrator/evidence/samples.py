"""What the witness saw, one value a request, and the figures drawn from it: pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Sequence

Client = Literal["keepalive", "fresh", "slow"]


@dataclass(frozen=True)
class Sample:
    """One request of the witness and what became of it."""

    at: float  # Unix time at which it was sent
    client: Client
    request: str  # method and path
    idle: float  # seconds the connection had idled before
    ms: float  # until the whole answer was there, or until it was clear that none comes
    status: int | None
    served: str  # `<service>_<color>/<version>`, as the gateway says
    lost: str | None  # why it counts as lost; None where the answer was the expected one

    @property
    def done(self) -> float:
        """Return the Unix time at which it ended."""
        return self.at + self.ms / 1000

    def facts(self) -> dict[str, object]:
        """Return its fields as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Figures:
    """The witness's testimony."""

    sent: int
    ok: int
    lost: int
    longest_gap_ms: float  # between two good answers
    p50_ms: float
    p99_ms: float
    closed_early: int  # kept connections that the gateway closed within the announced time
    versions: dict[str, int]  # good answers by version
    losses: tuple[dict[str, object], ...]
    failure: str | None  # why the witness could not testify to the end

    def facts(self) -> dict[str, object]:
        """Return its fields as JSON values."""
        return asdict(self)


MOST_LOSSES = 50  # that are listed one by one


def count(samples: Sequence[Sample], closed_early: int = 0, failure: str | None = None) -> Figures:
    """Return the figures of a release's samples."""
    good = [sample for sample in samples if sample.lost is None]
    ends = sorted(sample.done for sample in good)
    times = sorted(sample.ms for sample in good if sample.client != "slow")
    lost = [sample for sample in samples if sample.lost is not None]
    return Figures(
        sent=len(samples),
        ok=len(good),
        lost=len(lost),
        longest_gap_ms=round(max((b - a for a, b in pairwise(ends)), default=0.0) * 1000, 1),
        p50_ms=percentile(times, 50),
        p99_ms=percentile(times, 99),
        closed_early=closed_early,
        versions=dict(
            Counter(sample.served.rpartition("/")[2] for sample in good if sample.served)
        ),
        losses=tuple(sample.facts() for sample in lost[:MOST_LOSSES]),
        failure=failure,
    )


def percentile(ordered: Sequence[float], percent: int) -> float:
    """Return the nearest-rank percentile of values in ascending order; 0 where there are none."""
    if not ordered:
        return 0.0
    rank = max(1, -(-len(ordered) * percent // 100))
    return round(ordered[rank - 1], 1)
