"""What k6 sends while it runs: one point a request, kept in columns."""

from __future__ import annotations

import csv
import threading
from array import array
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.series import percentile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

PREFIX = "http_req_duration,"
NOT_THE_LOAD = ("::setup", "::teardown")
REFUSED = "503"
RECENT = 5.0  # seconds that the live figures look back
MOST_RECENT = 50_000  # requests
FAR = 1e12  # seconds or milliseconds that no load test has


class Point(NamedTuple):
    """The end of one request."""

    at: float  # Unix time
    ms: float
    failed: bool
    away: bool = False  # told to come back, while a release had closed the service: not failed


class Look(NamedTuple):
    """The load at this moment."""

    requests: int
    failed: int
    rate: float  # of the last seconds, as is p95
    p95_ms: float
    silent: float  # seconds for which every request went without an answer


class Points:
    """The requests of one run. A thread adds to them while others look."""

    def __init__(self) -> None:
        self._at = array("d")
        self._ms = array("d")
        self._failed = array("b")
        self._refused = array("b")  # answered with 503
        self._away = array("b")
        self._failures = 0
        self._answered: float | None = None  # when the last answer came, or the first request went
        self._guard = threading.Lock()

    def __len__(self) -> int:
        return len(self._at)

    def __iter__(self) -> Iterator[Point]:
        with self._guard:
            columns = (self._at[:], self._ms[:], self._failed[:], self._away[:])
        for at, ms, failed, away in zip(*columns, strict=True):
            yield Point(at, ms, bool(failed), bool(away))

    def read(self, lines: Iterable[str]) -> None:
        """Take up k6's CSV; its first line names the columns."""
        stream = iter(lines)
        names = _split(next(stream, ""))
        if "metric_value" not in names:
            return
        for line in stream:
            if line.startswith(PREFIX):
                self._add(dict(zip(names, _split(line), strict=False)))

    def excuse(self, closed: Sequence[tuple[float, float]], most: int) -> None:
        """Count as told to come back what was answered with 503 and in flight while it was `closed`.

        When the gateway decided lies somewhere between the request and its answer. k6 does not tell who has answered, so it is never more than the `most` that the gateway knows
        of: what is beyond that was a service's own 503.
        """
        with self._guard:
            for number, refused in enumerate(self._refused):
                if most <= 0:
                    return
                done = self._at[number]
                sent = done - self._ms[number] / 1000
                if refused and any(sent <= until and since <= done for since, until in closed):
                    self._failed[number], self._away[number] = False, True
                    most -= 1

    def look(self) -> Look:
        """Return how the load goes."""
        with self._guard:
            if not self._at:
                return Look(0, 0, 0.0, 0.0, 0.0)
            newest = self._at[-1]
            tail = zip(self._at[-MOST_RECENT:], self._ms[-MOST_RECENT:], strict=True)
            recent = sorted(ms for at, ms in tail if at > newest - RECENT)
            span = min(RECENT, max(newest - self._at[0], 1.0))
            p95 = percentile(recent, 95, digits=None)
            silent = newest - (newest if self._answered is None else self._answered)
            return Look(len(self._at), self._failures, len(recent) / span, p95, silent)

    def _add(self, row: dict[str, str]) -> None:
        if row.get("group", "").startswith(NOT_THE_LOAD):
            return
        try:
            at, ms = float(row["timestamp"]) / 1000, float(row["metric_value"])
        except (KeyError, ValueError):
            return  # the last line of a k6 that was killed
        if not (0 <= at < FAR and 0 <= ms < FAR):  # nor is it with what is no number
            return
        failed = row.get("expected_response") == "false"
        status = row.get("status")
        with self._guard:
            self._at.append(at)
            self._ms.append(ms)
            self._failed.append(failed)
            self._refused.append(status == REFUSED)
            self._away.append(False)
            self._failures += failed
            if status != "0" or self._answered is None:
                self._answered = at


def _split(line: str) -> list[str]:
    try:
        return next(csv.reader([line]), [])
    except csv.Error:  # a field of more than 128 KiB
        return []
