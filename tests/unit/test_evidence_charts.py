"""From numbers to shapes: scales, ticks and paths."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.events import Failed
from orchestrator.evidence.charts import draw_charts, draw_timeline, mark_time
from orchestrator.gateway.traffic import count_traffic
from orchestrator.shapes import Scale, choose_ticks, draw_steps, draw_trace
from tests.fakes.releases import Releases

if TYPE_CHECKING:
    from pathlib import Path

UP = Scale(10, 100, 0)


def evidence(folder: Path) -> Any:
    """Return what a release has left."""
    return json.loads((folder / "evidence.json").read_text())


@pytest.mark.parametrize(
    ("high", "ticks"),
    [
        (0, [0, 1]),
        (-3, [0, 1]),
        (1, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (7, [0, 2, 4, 6, 8]),
        (238.5, [0, 50, 100, 150, 200, 250]),
    ],
)
def test_ticks_are_round(high: float, ticks: list[float]) -> None:
    """They begin at 0 and the last is not below the highest value."""
    assert choose_ticks(high) == ticks


@given(high=st.floats(1e-6, 1e12))
def test_ticks_have_room_for_the_highest_value(high: float) -> None:
    """However high it is, and they stay few."""
    ticks = choose_ticks(high)

    assert ticks[0] == 0
    assert ticks[-1] >= high * 0.99
    assert ticks == sorted(ticks)
    assert 2 <= len(ticks) <= 7


@pytest.mark.parametrize(
    ("span", "unit", "last"),
    [
        (0.4, "s", "0.4"),
        (23, "s", "20"),
        (300, "s", "300"),
        (3600, "min", "60"),
        (90000, "h", "25"),
    ],
)
def test_a_time_axis_counts_in_a_fitting_unit(span: float, unit: str, last: str) -> None:
    """No tick stands beyond the end."""
    ticks, found = mark_time(span, 0, 100)

    assert (found, ticks[-1].label) == (unit, last)
    assert 0 <= ticks[-1].at <= 100


def test_values_stand_between_the_ends() -> None:
    """Also those that are out of range, and where the highest value is 0."""
    assert [UP.place(value) for value in (-1, 0, 5, 10, 11)] == [100, 100, 50, 0, 0]
    assert Scale(0, 3, 9).place(7) == 3


def test_counts_are_steps() -> None:
    """One level for each bucket, from the ground and back to it."""
    assert draw_steps([5, 0], float, UP) == "M0 100V50H1V100H2V100"


def test_a_gap_breaks_a_line() -> None:
    """A value that stands alone is a point."""
    assert draw_trace([5, None, 0, 10], float, UP) == "M0.5 50h0M2.5 100h0L3.5 0"
    assert draw_trace([None], float, UP) == ""


def test_each_bucket_is_drawn(tmp_path: Path) -> None:
    """The charts have as many points as the evidence has numbers."""
    log = "\n".join(
        json.dumps(
            {
                "time": str(1893456060 + number / 4),
                "target": "web_blue" if number < 20 else "web_green",
                "status": "200" if number else "503",
                "seconds": "0.012",
            }
        )
        for number in range(32)
    )
    traffic = count_traffic(log, "web", {"blue": "v1"}, 1893456060, 1893456068).facts()
    told = evidence(Releases(tmp_path).leave(lost=(3, 4), traffic=traffic))
    charts = {chart.name: chart for chart in draw_charts(told)}

    assert list(charts) == [
        "witness-requests",
        "witness-latency",
        "traffic-requests",
        "traffic-latency",
    ]
    for source in ("witness", "traffic"):
        series = told[source]["series"]
        for line in charts[f"{source}-requests"].lines:
            assert line.path.count("H") == series["buckets"] == 8
        for line in charts[f"{source}-latency"].lines:
            timed = series["versions"][line.lane.version][f"{line.measure}_ms"]
            assert len(re.findall("[ML]", line.path)) == len([v for v in timed if v is not None])
    assert len(charts["witness-requests"].losses) == 2
    assert len(charts["traffic-requests"].losses) == 1
    assert [lane.name for lane in charts["traffic-latency"].lanes] == [
        "v1 (before)",
        "no version answered",
    ]


def test_the_switch_stands_where_the_promotion_was_confirmed(tmp_path: Path) -> None:
    """In every chart and in the timeline, after six of eight seconds."""
    told = evidence(Releases(tmp_path).leave())
    chart = draw_charts(told)[0]

    assert chart.switch == Scale(8, 56, 526).place(6)
    assert draw_timeline(told).switch is not None
    assert "switched after 6.0 s" in chart.summary


def test_many_losses_are_marked_by_the_second(tmp_path: Path) -> None:
    """Where the evidence does not list each of them, their number is told."""
    told = evidence(Releases(tmp_path).leave(lost=range(40)))
    told["witness"]["losses"] = told["witness"]["losses"][:10]
    marks = draw_charts(told)[0].losses

    assert sum(int(mark.text.split()[0]) for mark in marks) == 40


def test_the_phase_that_failed_lasts_until_the_end(tmp_path: Path) -> None:
    """It is the last bar, and nothing was switched after it in name."""
    failed = Failed("retire", "it would not stop", None)
    bars = draw_timeline(evidence(Releases(tmp_path).leave(more=[failed]))).bars

    assert [bar.name for bar in bars] == ["start", "promote", "confirm", "drain", "retire"]
    assert [bar.failed for bar in bars] == [False] * 4 + [True]


def test_a_release_of_no_time_can_be_drawn(tmp_path: Path) -> None:
    """A fake clock, or a failure at once."""
    told = evidence(Releases(tmp_path).leave())
    told["when"]["seconds"] = 0.0

    assert len(draw_timeline(told).bars) == 4
