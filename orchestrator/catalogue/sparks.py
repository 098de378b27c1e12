"""Small pictures of short series, and of one figure over many load tests. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from orchestrator.shapes import Scale, Tick, choose_ticks, draw_steps, draw_trace

WIDTH, HEIGHT = 160, 32
ROOM = 3  # above and below a line, so that its width is seen whole
TREND_WIDTH, TREND_HEIGHT = 720, 160
LEAST = 2  # load tests that a trend needs
LEFT, RIGHT, TOP, BOTTOM = 56, 10, 30, 28  # what the labels of a trend take

Series = Mapping[str, Any]


class Spark(NamedTuple):
    """A series as a line of text is high."""

    path: str
    measure: str  # requests or latency
    switch: float | None
    losses: list[float]
    text: str


class Dot(NamedTuple):
    """One load test in a trend."""

    at: float
    up: float
    missed: bool
    text: str


class Trend(NamedTuple):
    """One figure over all load tests of a script, the oldest first."""

    path: str
    dots: list[Dot]
    up: list[Tick]


def draw_rates(series: Series | None) -> Spark | None:
    """Return requests a second through a release, and where users moved."""
    if not series or not series["values"]:
        return None
    values, switch, failed = series["values"], series["switch"], series["failed"]
    time, scale = _make_scales(values)
    moved = "users did not move" if switch is None else f"users moved after {switch:.1f} s"
    lost = f"requests failed at {len(failed)} of {len(values)} points" if failed else "none failed"
    return Spark(
        path=draw_steps([value or 0 for value in values], time.place, scale),
        measure="requests",
        switch=None if switch is None else time.place(switch / series["seconds"]),
        losses=[time.place(place + 0.5) for place in failed],
        text=f"requests a second over {_tell_span(series)}, at most {scale.high:,g}; {moved}; {lost}",
    )


def draw_latencies(series: Series | None) -> Spark | None:
    """Return p95 through a load test."""
    told = [value for value in series["values"] if value is not None] if series else []
    if not series or not told:
        return None
    time, scale = _make_scales(series["values"])
    text = f"p95 over {_tell_span(series)}, from {min(told):,g} to {max(told):,g} ms"
    return Spark(draw_trace(series["values"], time.place, scale), "latency", None, [], text)


def draw_trend(benches: Sequence[Mapping[str, Any]]) -> Trend | None:
    """Return p95 of load tests, which come newest first; None of less than two: one is no trend."""
    told = [bench for bench in reversed(benches) if bench["p95_ms"] is not None]
    if len(told) < LEAST:
        return None
    values = [bench["p95_ms"] for bench in told]
    ticks = choose_ticks(max(values), most=3)
    time = Scale(len(values), LEFT, TREND_WIDTH - RIGHT)
    scale = Scale(ticks[-1], TREND_HEIGHT - BOTTOM, TOP)
    return Trend(
        path=draw_trace(values, time.place, scale),
        dots=[
            Dot(
                time.place(n + 0.5),
                scale.place(bench["p95_ms"]),
                bool(bench["missed"]),
                _tell(bench),
            )
            for n, bench in enumerate(told)
        ],
        up=[Tick(scale.place(tick), f"{tick:,g}") for tick in ticks],
    )


def _make_scales(values: Sequence[float | None]) -> tuple[Scale, Scale]:
    high = max(filter(None, values), default=0)
    return Scale(len(values), 0, WIDTH), Scale(high, HEIGHT - 1, ROOM)


def _tell_span(series: Series) -> str:
    return f"{series['seconds'] * len(series['values']):,g} s"


def _tell(bench: Mapping[str, Any]) -> str:
    missed = f", {bench['missed']} thresholds missed" if bench["missed"] else ""
    return f"{bench['id']}: p95 {bench['p95_ms']:,g} ms{missed}"
