"""What the gateway's access log says of real traffic: pure."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.gateway.admin import CLOSED
from orchestrator.series import Answer, draw_series

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence


STATUS = re.compile(r"[0-9]{3}")
TURNED_AWAY = (CLOSED, "503")  # target and status


class Request(NamedTuple):
    """A request of a real client and how it was answered."""

    version: str  # empty where the gateway answered by itself
    status: str
    at: float | None  # Unix time of its end
    ms: float | None
    away: bool = False  # told to come back, while the release had closed the service

    @property
    def failed(self) -> bool:
        """Whether it was answered with 5xx."""
        return self.status.startswith("5")


class Traffic(NamedTuple):
    """Answers of a service's versions to real clients, by version and status class."""

    requests: int
    failed: int  # answered with 5xx
    versions: dict[str, dict[str, int]]  # version -> {"2xx": …}
    series: dict[str, object]  # the same over the time of the release, with latencies
    turned_away: int = 0  # in none of the above

    def facts(self) -> dict[str, object]:
        """Return its fields as JSON values."""
        return self._asdict()


def count_traffic(
    log: str, service: str, versions: Mapping[str, str], start: float, end: float
) -> Traffic:
    """Count the requests of one service in the access log of a release from `start` to `end`.

    `versions` has what ran behind each color, which is all that the log tells. Lines of others are
    passed over. Requests of the witness do not count: it reports for itself. Whoever is turned away
    reaches no color: it is this service's, since one release at a time closes one.
    """
    found = list(_read(log, service, versions))
    requests = [request for request in found if not request.away]
    answers = Counter((request.version, f"{request.status[0]}xx") for request in requests)
    counted: dict[str, dict[str, int]] = {}
    for (version, status), number in sorted(answers.items()):
        counted.setdefault(version, {})[status] = number
    failed = sum(request.failed for request in requests)
    series, away = _draw(requests, start, end), len(found) - len(requests)
    return Traffic(len(requests), failed, counted, series, away)


def find_answers(log: str, names: Collection[str]) -> dict[str, tuple[int, str]]:
    """Return what the access log has of requests by their names: the status, and who was to answer."""
    found: dict[str, tuple[int, str]] = {}
    for line in log.split("\n"):
        entry = _parse(line) or {}
        name, status = str(entry.get("request_id", "")), str(entry.get("status", ""))
        if name in names and STATUS.fullmatch(status):
            found[name] = (int(status), str(entry.get("target", "")))
    return found


def _draw(requests: Sequence[Request], start: float, end: float) -> dict[str, object]:
    return draw_series(
        (
            Answer(request.at, request.version, request.ms, request.failed)
            for request in requests
            if request.at is not None
        ),
        start,
        end,
    )


def _read(log: str, service: str, versions: Mapping[str, str]) -> Iterator[Request]:
    for line in log.split("\n"):  # not splitlines: a path may hold U+2028
        entry = _parse(line)
        if entry is None or entry.get("witness"):
            continue
        target, status = str(entry.get("target", "")), str(entry.get("status", ""))
        named, _, color = target.rpartition("_")
        away = (target, status) == TURNED_AWAY
        if not (away or named == service) or not STATUS.fullmatch(status):
            continue
        yield Request(
            version=versions.get(color, ""),
            status=status,
            at=_to_number(entry.get("time")),
            ms=_to_number(entry.get("seconds"), times=1000),
            away=away,
        )


def _to_number(value: object, times: float = 1) -> float | None:
    try:
        number = float(str(value)) * times
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _parse(line: str) -> dict[str, object] | None:
    if not line.startswith("{"):
        return None
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None
