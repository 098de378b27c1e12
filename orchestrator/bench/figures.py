"""The figures of a load test, drawn from its points and from k6's summary: pure."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from orchestrator.bench.points import Point
from orchestrator.series import choose_width, percentile

CONDITION = re.compile(
    r"\s*(\w+(?:\([0-9.]+\))?)\s*(<=|>=|<|>|===?|!=)\s*(-?(?:[0-9]+\.?[0-9]*|\.[0-9]+))\s*"
)
UNREADABLE = (KeyError, TypeError, AttributeError, OverflowError, RecursionError)
LEFTOVER = 0.1  # of a bucket: so short an end belongs to the bucket before it
Label = Callable[[Point], str]


class Figures(NamedTuple):
    """One run, or several taken together."""

    requests: int
    failed: int
    seconds: float  # from the first end of a request to the last
    rate: float
    error_rate: float
    average_ms: float
    p10_ms: float
    p50_ms: float
    p90_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    turned_away: int = 0  # of the requests: told to come back; neither failed nor timed


class Threshold(NamedTuple):
    """One of the script's thresholds, which are the service level objectives."""

    metric: str
    condition: str
    ok: bool
    value: float | None  # None where k6's summary does not tell it

    @property
    def limit(self) -> float | None:
        """Return the number that the value is held against."""
        match = CONDITION.fullmatch(self.condition)
        return _to_finite(float(match[3])) if match else None

    @property
    def used(self) -> float | None:
        """Return how much of the limit is taken: 1 is all; None where that says nothing."""
        match, limit = CONDITION.fullmatch(self.condition), self.limit
        if match is None or not limit or self.value is None:
            return None
        if match[2].startswith("<"):
            return _to_finite(self.value / limit)
        # Of a share that must stay high, what is missing is what is used up.
        share = limit < 1 and match[2][0] == ">"
        return _to_finite((1 - self.value) / (1 - limit)) if share else None


class Check(NamedTuple):
    """One of the script's checks."""

    name: str
    passed: int
    failed: int


def measure(points: Iterable[Point], seconds: float | None = None) -> Figures:
    """Return the figures of points in the order of time."""
    taken = list(points)
    times = sorted(point.ms for point in taken if not point.away)
    failed = sum(point.failed for point in taken)
    lasted = max(point.at for point in taken) - min(point.at for point in taken) if taken else 0.0
    span = lasted if seconds is None else seconds
    return Figures(
        requests=len(taken),
        failed=failed,
        seconds=round(span, 3),
        rate=round(len(taken) / span, 2) if span > 0 else float(len(taken)),
        error_rate=round(failed / len(taken), 6) if taken else 0.0,
        average_ms=round(sum(times) / len(times), 3) if times else 0.0,
        p10_ms=find_rank(times, 10),
        p50_ms=find_rank(times, 50),
        p90_ms=find_rank(times, 90),
        p95_ms=find_rank(times, 95),
        p99_ms=find_rank(times, 99),
        max_ms=round(times[-1], 3) if times else 0.0,
        turned_away=len(taken) - len(times),
    )


def pool(runs: Sequence[Sequence[Point]]) -> Figures:
    """Return the figures of several runs; the time between them does not count."""
    lasted = sum(measure(run).seconds for run in runs)
    return measure((point for run in runs for point in run), lasted if len(runs) > 1 else None)


def find_rank(ordered: Sequence[float], percent: int) -> float:
    """Return the nearest-rank percentile, to the microsecond; 0 where there are no values."""
    return percentile(ordered, percent, digits=3)


def draw_columns(points: Sequence[Point], label: Label) -> dict[str, Any]:
    """Return rate, p50, p95 and failures over time, by label, in seconds or wider buckets."""
    if not points:
        return {"start": 0.0, "seconds": 1, "buckets": 0, "versions": {}}
    start, end = min(point.at for point in points), max(point.at for point in points)
    width = choose_width(end - start)
    size = max(1, math.ceil((end - start) / width - LEFTOVER))
    lanes: dict[str, list[list[Point]]] = {}
    for point in points:
        name = label(point)
        if name not in lanes:
            lanes[name] = [[] for _ in range(size)]
        lanes[name][min(int((point.at - start) // width), size - 1)].append(point)
    return {
        "start": round(start, 3),
        "seconds": width,
        "buckets": size,
        "versions": {name: _to_columns(lane, width) for name, lane in lanes.items()},
    }


def _to_columns(buckets: Sequence[Sequence[Point]], width: int) -> dict[str, list[Any]]:
    ordered = [sorted(point.ms for point in bucket if not point.away) for bucket in buckets]
    return {
        "requests": [len(bucket) for bucket in buckets],
        "rate": [round(len(bucket) / width, 2) for bucket in buckets],
        "failed": [sum(point.failed for point in bucket) for bucket in buckets],
        "p50_ms": [find_rank(times, 50) if times else None for times in ordered],
        "p95_ms": [find_rank(times, 95) if times else None for times in ordered],
    }


def read_thresholds(summary: Mapping[str, Any]) -> list[Threshold]:
    """Return the thresholds of k6's summary with what was measured.

    Raises ValueError where a script has made something else of the summary.
    """
    try:
        return [
            Threshold(name, condition, _to_truth(found["ok"]), _find_value(metric, condition))
            for name, metric in sorted(summary["metrics"].items())
            for condition, found in (metric.get("thresholds") or {}).items()
        ]
    except UNREADABLE as error:
        raise ValueError(f"its thresholds cannot be read: {error!r}") from error


def _find_value(metric: Mapping[str, Any], condition: str) -> float | None:
    match = CONDITION.fullmatch(condition)
    found = metric["values"].get(match[1]) if match else None
    return _to_finite(round(float(found), 6)) if isinstance(found, int | float) else None


def _to_finite(number: float) -> float | None:
    return number if math.isfinite(number) else None


def _to_truth(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError(f"`{value}` is neither true nor false")
    return value


def join_thresholds(runs: Sequence[Sequence[Threshold]]) -> list[Threshold]:
    """Return each threshold as the worst run had it: kept only where every run kept it."""
    found: dict[tuple[str, str], list[Threshold]] = {}
    for threshold in (threshold for run in runs for threshold in run):
        found.setdefault((threshold.metric, threshold.condition), []).append(threshold)
    return [
        max(each, key=lambda one: (not one.ok, one.used if one.used is not None else -math.inf))
        for each in found.values()
    ]


def read_checks(summary: Mapping[str, Any]) -> list[Check]:
    """Return the checks of k6's summary, those in groups as well. Raises ValueError."""
    try:
        return list(_walk(summary.get("root_group") or {}, ""))
    except UNREADABLE as error:
        raise ValueError(f"its checks cannot be read: {error!r}") from error


def join_checks(runs: Sequence[Sequence[Check]]) -> list[Check]:
    """Return the checks of several runs added up."""
    found: dict[str, Check] = {}
    for check in (check for run in runs for check in run):
        known = found.get(check.name, Check(check.name, 0, 0))
        found[check.name] = Check(
            check.name, known.passed + check.passed, known.failed + check.failed
        )
    return list(found.values())


def _walk(group: Mapping[str, Any], path: str) -> Iterator[Check]:
    for check in group.get("checks") or ():
        passed, failed = int(check["passes"]), int(check["fails"])
        if min(passed, failed) < 0:
            raise ValueError("a check was passed or failed less than never")
        yield Check(f"{path}{check['name']}", passed, failed)
    for inner in group.get("groups") or ():
        yield from _walk(inner, f"{path}{inner['name']}: ")
