"""What the catalogue keeps of a release and of a load test: some figures and one short series. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from orchestrator.outline import to_offset

MOST_POINTS = 120  # of a series: more cannot be told apart where it is drawn
AGAIN = ("restart", "scale")  # commands that bring users no other version
LARGEST = 1e15  # of a number that anything was measured with

Facts = Mapping[str, Any]
Row = dict[str, Any]
Checks = Mapping[str, Callable[[Any], Any]]
# What reading a document raises that somebody else wrote, or an older or newer stackctl.
FAULTS = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


class Kind(NamedTuple):
    """Something that the catalogue lists."""

    document: str  # what each of its folders has
    pages: tuple[str, ...]  # that show it, the best one first
    outline: Callable[[Facts], Row]
    checks: Checks


def check_row(kind: Kind, facts: Facts) -> Row | None:
    """Return what can be shown without a surprise; None where something has another shape."""
    try:
        return {name: check(facts[name]) for name, check in kind.checks.items()}
    except FAULTS:
        return None


def read_row(kind: Kind, document: Facts, place: Facts) -> Row | None:
    """Return what is kept of a document that lies in a place: `id` and `page`."""
    try:
        return check_row(kind, {**kind.outline(document), **place})
    except FAULTS:
        return None


def _outline_release(evidence: Facts) -> Row:
    what, witness = evidence["what"], evidence["witness"]
    return {
        "service": what["service"],
        "version": what["version"],
        "previous": what.get("previous"),
        "again": what.get("command") if what.get("command") in AGAIN else None,
        "outcome": evidence["outcome"],
        "lossless": evidence["verdict"]["lossless"],
        "sent": witness["sent"],
        "lost": witness["lost"],
        "gap_ms": witness["longest_gap_ms"],
        "seconds": max(evidence["when"]["seconds"], 0.0),  # clocks are set back at times
        "started": evidence["when"]["started"],
        "series": _gather_rates(evidence),
    }


def _outline_bench(document: Facts) -> Row:
    figures = document["figures"]
    return {
        "script": document["script"]["name"],
        "passed": document["verdict"]["passed"],
        "text": document["verdict"]["text"],
        "missed": sum(not threshold["ok"] for threshold in document["thresholds"]),
        "rate": figures["rate"],
        "p95_ms": figures["p95_ms"] if figures["requests"] else None,
        "error_rate": figures["error_rate"],
        "started": document["when"]["started"],
        "series": _gather_latencies(document["series"]),
    }


def _gather_rates(evidence: Facts) -> Row | None:
    """Return requests a second of real clients, else of the witness, and where either failed."""
    found = [(evidence.get(source) or {}).get("series") for source in ("traffic", "witness")]
    drawn = [series for series in found if series and series["versions"]]
    if not drawn:
        return None
    series = drawn[0]
    counts = _join(series, "requests", sum)
    step = _choose_step(counts)
    seconds = series["seconds"] * step
    rates = [round(sum(c) / (len(c) * series["seconds"]), 2) for c in _cut(counts, step)]
    failed = {
        min(int((number + 0.5) * each["seconds"] // seconds), len(rates) - 1)
        for each in drawn
        for number, count in enumerate(_join(each, "failed", sum))
        if count
    }
    switch = to_offset(evidence, "switch")
    return {
        "seconds": seconds,
        "values": rates,
        "failed": sorted(failed),
        "switch": None if switch is None else max(switch, 0.0),  # as above
    }


def _gather_latencies(series: Facts) -> Row | None:
    """Return p95 over time: the highest one, where several were measured at once."""
    highest = _join(series, "p95_ms", _find_highest)
    if not highest:
        return None
    step = _choose_step(highest)
    values = [_find_highest(some) for some in _cut(highest, step)]
    return {"seconds": series["seconds"] * step, "values": values, "failed": [], "switch": None}


def _join(series: Facts, column: str, join: Callable[[Any], Any]) -> list[Any]:
    """Return one value a bucket from those of all versions."""
    lanes = [columns[column] for columns in series["versions"].values()]
    return [join(values) for values in zip(*lanes, strict=True)]


def _choose_step(values: Sequence[Any]) -> int:
    return max(1, math.ceil(len(values) / MOST_POINTS))


def _cut(values: Sequence[Any], step: int) -> list[Sequence[Any]]:
    return [values[start : start + step] for start in range(0, len(values), step)]


def _find_highest(values: Sequence[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _to_text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value.encode(errors="replace").decode()


def _to_flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _to_number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    if not 0 <= value < LARGEST:
        raise ValueError
    return round(float(value), 6)


def _to_count(value: Any) -> int:
    return int(_to_number(value))


def _to_moment(value: Any) -> str:
    return datetime.fromisoformat(value).astimezone(UTC).isoformat(timespec="seconds")


def _to_series(value: Any) -> Row:
    row = {name: check(value[name]) for name, check in SERIES.items()}
    if not row["seconds"] or any(place >= len(row["values"]) for place in row["failed"]):
        raise ValueError
    return row


def _maybe(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda value: None if value is None else check(value)


def _each(check: Callable[[Any], Any]) -> Callable[[Any], list[Any]]:
    return lambda values: [check(value) for value in values]


SERIES: Checks = {
    "seconds": _to_number,  # that one value stands for
    "values": _each(_maybe(_to_number)),
    "failed": _each(_to_count),  # the places of the values at which requests failed
    "switch": _maybe(_to_number),  # seconds from the start until users moved
}
RELEASE = Kind(
    "evidence.json",
    ("report.html", "evidence.md", "evidence.json"),
    _outline_release,
    {
        "id": _to_text,
        "page": _to_text,
        "service": _to_text,
        "version": _to_text,
        "previous": _maybe(_to_text),
        "again": _maybe(_to_text),
        "outcome": _to_text,
        "lossless": _maybe(_to_flag),
        "sent": _to_count,
        "lost": _to_count,
        "gap_ms": _to_number,
        "seconds": _to_number,
        "started": _to_moment,
        "series": _maybe(_to_series),
    },
)
BENCH = Kind(
    "bench.json",
    ("report.html", "report.md", "bench.json"),
    _outline_bench,
    {
        "id": _to_text,
        "page": _to_text,
        "script": _to_text,
        "passed": _to_flag,
        "text": _to_text,
        "missed": _to_count,
        "rate": _to_number,
        "p95_ms": _maybe(_to_number),
        "error_rate": _to_number,
        "started": _to_moment,
        "series": _maybe(_to_series),
    },
)
