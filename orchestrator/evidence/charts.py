"""From series of numbers to charts that a template draws as SVG: lines, ticks, columns. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from orchestrator.evidence.view import Lane, list_lanes, list_marks, list_phases
from orchestrator.outline import to_offset
from orchestrator.shapes import Scale, Tick, choose_ticks, draw_steps, draw_trace

WIDTH, HEIGHT = 540, 230
LEFT, RIGHT, TOP, BOTTOM = 56, 14, 26, 44  # what the labels take
ROW = 24  # of the timeline
LABELS = 92  # the width of its names
SECONDS = 56  # the width of its numbers
MEASURES = (("p50_ms", "p50"), ("p95_ms", "p95"))
UNITS = ((3 * 3600, 3600, "h"), (300, 60, "min"), (0, 1, "s"))  # longer than, seconds, name

Evidence = Mapping[str, Any]


class Line(NamedTuple):
    """One measure of one version."""

    lane: Lane
    measure: str
    path: str


class Mark(NamedTuple):
    """Something that happened at one moment."""

    at: float
    text: str


class Column(NamedTuple):
    """One bucket: where it stands and its numbers in words."""

    at: float
    width: float
    text: str


class Chart(NamedTuple):
    """One chart, ready to be drawn."""

    name: str
    title: str
    summary: str
    unit: str
    time_unit: str
    lanes: list[Lane]
    lines: list[Line]
    across: list[Tick]
    up: list[Tick]
    columns: list[Column]
    switch: float | None
    losses: list[Mark]
    buckets: int


class Bar(NamedTuple):
    """One phase in the timeline."""

    name: str
    top: int
    at: float
    width: float
    text: str
    failed: bool


class Timeline(NamedTuple):
    """All phases, one below the other."""

    height: int
    bars: list[Bar]
    across: list[Tick]
    time_unit: str
    switch: float | None


def draw_charts(evidence: Evidence) -> list[Chart]:
    """Return requests and latencies: those of the witness, then those of real clients."""
    charts = []
    for source, name in (("witness", "witness"), ("traffic", "real traffic")):
        series = (evidence.get(source) or {}).get("series")
        if series and series["versions"]:
            charts += [
                _draw(evidence, series, f"{source}-requests", f"Requests a second, {name}"),
                _draw(evidence, series, f"{source}-latency", f"Latency, {name}"),
            ]
    return charts


def draw_timeline(evidence: Evidence) -> Timeline:
    """Return the phases of a release as bars over its time."""
    phases = list_phases(evidence)
    span = evidence["when"]["seconds"]
    across, unit = mark_time(span, LABELS, WIDTH - SECONDS)
    scale = Scale(span, LABELS, WIDTH - SECONDS)
    bars = []
    for number, phase in enumerate(phases):
        at = scale.place(phase.start)
        width = round(max(scale.place(phase.end) - at, 2.0), 2)  # the shortest is seen too
        text = f"{phase.end - phase.start:.2f} s"
        bars.append(Bar(phase.name, number * ROW, at, width, text, phase.failed))
    switch = to_offset(evidence, "switch")
    return Timeline(
        len(phases) * ROW, bars, across, unit, None if switch is None else scale.place(switch)
    )


def _draw(evidence: Evidence, series: Mapping[str, Any], name: str, title: str) -> Chart:
    seconds, size = series["seconds"], series["buckets"]
    lanes = list_lanes(evidence, series)
    rates = name.endswith("requests")
    span = seconds * size
    across, time_unit = mark_time(span, LEFT, WIDTH - RIGHT)
    time = Scale(span, LEFT, WIDTH - RIGHT)
    high = max(
        (value or 0 for lane in lanes for value in _pick(series, lane, rates=rates)), default=0
    )
    ticks = choose_ticks(high)
    values = Scale(ticks[-1], HEIGHT - BOTTOM, TOP)
    switch = to_offset(evidence, "switch")
    losses = list_marks(evidence, name.partition("-")[0])
    return Chart(
        name=name,
        title=title,
        summary=_summarize(series, lanes, switch, len(losses)),
        unit="requests/s" if rates else "ms",
        time_unit=time_unit,
        lanes=lanes,
        lines=_draw_lines(series, lanes, time, values, rates=rates),
        across=across,
        up=[Tick(values.place(tick), f"{tick:,g}") for tick in ticks],
        columns=_draw_columns(series, lanes, time),
        switch=None if switch is None else time.place(switch),
        losses=[Mark(time.place(at), text) for at, text in losses],
        buckets=size,
    )


def mark_time(span: float, start: float, end: float) -> tuple[list[Tick], str]:
    """Return the ticks of a time axis and the unit that they count."""
    seconds, unit = next((size, name) for least, size, name in UNITS if span > least or size == 1)
    scale = Scale(span, start, end)
    ticks = [tick * seconds for tick in choose_ticks(span / seconds)]
    return [
        Tick(scale.place(tick), f"{tick / seconds:g}") for tick in ticks if tick <= span * 1.001
    ], unit


def _draw_lines(
    series: Mapping[str, Any], lanes: Sequence[Lane], time: Scale, scale: Scale, *, rates: bool
) -> list[Line]:
    def place(number: int) -> float:
        return time.place(number * series["seconds"])

    if rates:
        return [
            Line(lane, "requests", draw_steps(_pick(series, lane, rates=True), place, scale))
            for lane in lanes
        ]
    return [
        Line(lane, name, draw_trace(series["versions"][lane.version][key], place, scale))
        for lane in lanes
        for key, name in MEASURES
    ]


def _pick(series: Mapping[str, Any], lane: Lane, *, rates: bool) -> list[Any]:
    """Return the values that a chart of rates, or of latencies, must have room for."""
    columns = series["versions"][lane.version]
    if rates:
        return [number / series["seconds"] for number in columns["requests"]]
    return [*columns["p50_ms"], *columns["p95_ms"]]


def _draw_columns(series: Mapping[str, Any], lanes: Sequence[Lane], time: Scale) -> list[Column]:
    seconds = series["seconds"]
    columns = []
    for number in range(series["buckets"]):
        at, end = time.place(number * seconds), time.place((number + 1) * seconds)
        told = [_tell(lane.name, series["versions"][lane.version], number) for lane in lanes]
        text = f"{number * seconds} to {(number + 1) * seconds} s\n" + "\n".join(filter(None, told))
        columns.append(Column(at, round(end - at, 2), text))
    return columns


def _tell(name: str, columns: Mapping[str, Any], number: int) -> str:
    requests, failed = columns["requests"][number], columns["failed"][number]
    if not requests:
        return ""
    text = f"{name}: {requests:,} requests" + (f", {failed:,} failed" if failed else "")
    p50, p95 = columns["p50_ms"][number], columns["p95_ms"][number]
    return text if p50 is None else f"{text}, p50 {p50:g} ms, p95 {p95:g} ms"


def _summarize(
    series: Mapping[str, Any], lanes: Sequence[Lane], switch: float | None, lost: int
) -> str:
    counts = ", ".join(
        f"{lane.name} {sum(series['versions'][lane.version]['requests']):,} requests"
        for lane in lanes
    )
    moved = "no switch" if switch is None else f"switched after {switch:.1f} s"
    return f"{counts}; {moved}; {lost or 'no'} marks of lost or failed requests."
