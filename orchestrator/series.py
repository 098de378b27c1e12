"""Requests over time: single answers gathered in buckets of equal width, bounded in number: pure."""

from __future__ import annotations

import math
from collections import defaultdict
from itertools import count
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

MOST_BUCKETS = 600


class Answer(NamedTuple):
    """The end of one request."""

    at: float  # Unix time
    version: str  # that answered; empty where none did
    ms: float | None  # None where its time was the client's and not the service's
    failed: bool


class Bucket(NamedTuple):
    """What one version answered within one stretch of time."""

    requests: int
    failed: int
    p50_ms: float | None  # None where nothing was timed
    p95_ms: float | None


def draw_series(answers: Iterable[Answer], start: float, end: float) -> dict[str, object]:
    """Return counts and latencies by version, in as many buckets as it takes from start to end.

    Answers from just outside count in the first or the last bucket, so that no total loses one.
    """
    width = choose_width(end - start)
    size = max(1, math.ceil((end - start) / width))
    found: defaultdict[str, list[list[Answer]]] = defaultdict(lambda: [[] for _ in range(size)])
    for answer in answers:
        position = min(max(int((answer.at - start) // width), 0), size - 1)
        found[answer.version][position].append(answer)
    return {
        "start": start,
        "seconds": width,
        "buckets": size,
        "versions": {
            version: _to_columns([_fill(lane) for lane in found[version]])
            for version in sorted(found)
        },
    }


def choose_width(seconds: float) -> int:
    """Return the shortest round width, in seconds, that needs no more than MOST_BUCKETS."""
    if not math.isfinite(seconds):
        raise ValueError(f"{seconds} seconds have no buckets")
    return next(width for width in _round_widths() if width * MOST_BUCKETS >= seconds)


def percentile(ordered: Sequence[float], percent: int, digits: int | None = 1) -> float:
    """Return the nearest-rank percentile of values in ascending order; 0 where there are none.

    It is rounded to so many `digits`; None leaves it as it is.
    """
    if not ordered:
        return 0.0
    found = ordered[max(1, -(-len(ordered) * percent // 100)) - 1]
    return found if digits is None else round(found, digits)


def _round_widths() -> Iterator[int]:
    for power in count():
        yield from (step * 10**power for step in (1, 2, 5))


def _fill(answers: Sequence[Answer]) -> Bucket:
    times = sorted(answer.ms for answer in answers if answer.ms is not None)
    return Bucket(
        requests=len(answers),
        failed=sum(answer.failed for answer in answers),
        p50_ms=percentile(times, 50) if times else None,
        p95_ms=percentile(times, 95) if times else None,
    )


def _to_columns(buckets: Sequence[Bucket]) -> dict[str, object]:
    """Turn rows into columns: each is one line of JSON, and what a chart draws."""
    return {name: [getattr(bucket, name) for bucket in buckets] for name in Bucket._fields}
