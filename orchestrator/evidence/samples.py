"""What the witness saw, one value a request, and the figures drawn from it: pure."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from orchestrator.series import Answer, draw_series, percentile

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

    @property
    def version(self) -> str:
        """Return the version that answered; empty where nobody said who did."""
        return self.served.rpartition("/")[2]

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
        versions=dict(Counter(sample.version for sample in good if sample.served)),
        losses=tuple(sample.facts() for sample in lost[:MOST_LOSSES]),
        failure=failure,
    )


def draw_samples(samples: Sequence[Sample], start: float, end: float) -> dict[str, object]:
    """Return the requests over time, by version. How long a slow one took was its client's doing."""
    answers = (
        Answer(
            at=sample.done,
            version=sample.version,
            ms=sample.ms if sample.lost is None and sample.client != "slow" else None,
            failed=sample.lost is not None,
        )
        for sample in samples
    )
    return draw_series(answers, start, end)


def parse_samples(text: str) -> list[Sample]:
    """Read witness.jsonl again. Raises ValueError."""
    return [parse_sample(line) for line in text.split("\n") if line]


def parse_sample(line: str) -> Sample:
    """Read one line of witness.jsonl again. Raises ValueError."""
    try:
        sample = Sample(**json.loads(line))
        float(sample.at + sample.ms + sample.idle)
        sample.served.rpartition("/")
    except (TypeError, AttributeError) as error:
        raise ValueError(str(error)) from error
    return sample
