"""The charts of a release as lines of characters, for pages that show no pictures. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from orchestrator.evidence.view import list_lanes, list_marks
from orchestrator.outline import to_offset

HEIGHTS = "▁▂▃▄▅▆▇█"
NOTHING = "·"
WIDEST = 72  # characters; a longer series has several buckets in each
LONGEST_NAME = 24

Evidence = Mapping[str, Any]
Row = tuple[str, str, str]  # what is measured of whom, one character a column, a note


def sketch(evidence: Evidence, source: str) -> str:
    """Return requests a second and p95 by version, the switch and the losses; empty without any."""
    series = (evidence.get(source) or {}).get("series")
    if not series or not series["versions"]:
        return ""
    step = math.ceil(series["buckets"] / WIDEST)
    seconds = series["seconds"] * step
    size = math.ceil(series["buckets"] / step)
    rows = [
        *_sketch_measure(evidence, series, step, "requests"),
        *_sketch_measure(evidence, series, step, "p95_ms"),
        *_mark(evidence, source, seconds, size),
    ]
    names = max(len(name) for name, _, _ in rows)
    drawn = [f"{name:<{names}}  {line:<{size}}  {note}" for name, line, note in rows]
    return "\n".join([f"each column is {seconds} s, from 0 to {seconds * size} s", *drawn])


def _sketch_measure(
    evidence: Evidence, series: Mapping[str, Any], step: int, column: str
) -> list[Row]:
    lanes = list_lanes(evidence, series)
    rates = column == "requests"
    drawn = {
        lane.name: [
            _join(values, series["seconds"], rates=rates)
            for values in _cut(series["versions"][lane.version][column], step)
        ]
        for lane in lanes
    }
    high = max((value or 0 for values in drawn.values() for value in values), default=0)
    title, unit = ("requests/s", "a second") if rates else ("p95", "ms")
    rows = []
    for name, values in drawn.items():
        most = max((value for value in values if value), default=0)
        note = f"at most {most:,.4g} {unit}" if most else "none"
        line = "".join(_choose_height(value, high) for value in values)
        rows.append((f"{title} {_shorten(name)}", line, note))
    return rows


def _mark(evidence: Evidence, source: str, seconds: float, size: int) -> list[Row]:
    rows = []
    switch = to_offset(evidence, "switch")
    if switch is not None:
        line = _put_marks([switch], "▲", seconds, size)
        rows.append(("users moved", line, f"after {switch:.1f} s"))
    series = evidence[source]["series"]
    failed = sum(sum(columns["failed"]) for columns in series["versions"].values())
    if failed:
        marks = [at for at, _ in list_marks(evidence, source)]
        rows.append(
            ("lost or failed", _put_marks(marks, "✕", seconds, size), f"{failed:,} of them")
        )
    return rows


def _put_marks(marks: Sequence[float], sign: str, seconds: float, size: int) -> str:
    places = {min(max(int(at // seconds), 0), size - 1) for at in marks}
    return "".join(sign if place in places else " " for place in range(size)).rstrip()


def _cut(values: Sequence[Any], step: int) -> list[Sequence[Any]]:
    return [values[start : start + step] for start in range(0, len(values), step)]


def _join(values: Sequence[float | None], seconds: float, *, rates: bool) -> float | None:
    """Return one value for several buckets: their rate, or the highest latency."""
    told = [value for value in values if value is not None]
    if rates:
        return sum(told) / (len(values) * seconds)
    return max(told, default=None)


def _choose_height(value: float | None, high: float) -> str:
    if not value or not high:
        return NOTHING
    return HEIGHTS[min(math.ceil(value / high * len(HEIGHTS)), len(HEIGHTS)) - 1]


def _shorten(name: str) -> str:
    line = "".join(c if c.isprintable() else " " for c in " ".join(name.split()))
    return line if len(line) <= LONGEST_NAME else f"{line[: LONGEST_NAME - 1]}…"
