"""From k6's lines to figures."""

from __future__ import annotations

import pytest

from orchestrator.bench.figures import (
    Threshold,
    draw_columns,
    join_checks,
    join_thresholds,
    measure,
    pool,
    read_checks,
    read_thresholds,
)
from orchestrator.bench.points import Point, Points

HEAD = "metric_name,timestamp,metric_value,error,expected_response,group,name,status"
SUMMARY = {
    "metrics": {
        "http_req_duration{name:a}": {
            "values": {"avg": 20.0, "p(95)": 250.0},
            "thresholds": {"p(95)<500": {"ok": True}, "p(99)<900": {"ok": True}},
        },
        "checks": {"values": {"rate": 0.97}, "thresholds": {"rate>0.99": {"ok": False}}},
        "http_reqs": {"values": {"count": 12}},
    },
    "root_group": {
        "checks": [{"name": "is 200", "passes": 5, "fails": 1}],
        "groups": [{"name": "in", "checks": [{"name": "b", "passes": 2, "fails": 0}]}],
    },
}


def row(at: float, ms: float, *, ok: bool = True, group: str = "", status: str = "200") -> str:
    """Return a line of k6's CSV."""
    expected = "true" if ok else "false"
    return f'http_req_duration,{at * 1000:.0f},{ms},,{expected},{group},"a,""b""",{status}'


def read(*rows: str) -> Points:
    """Return what is made of lines."""
    points = Points()
    points.read([HEAD, *rows])
    return points


def test_a_request_is_a_point() -> None:
    """Time, latency and whether it failed; other metrics are passed over."""
    points = read(row(100, 5), "vus,100000,3.0,,,,,", row(101, 7, ok=False))
    assert list(points) == [Point(100, 5, failed=False), Point(101, 7, failed=True)]


def test_setup_and_teardown_are_not_the_load() -> None:
    """Their requests count in no figure."""
    points = read(row(100, 900, group="::setup"), row(101, 5), row(102, 9, group="::teardown"))
    assert [point.ms for point in points] == [5]


@pytest.mark.parametrize(
    "line", ["http_req_duration,1", "http_req_duration,x,y,,,,,", "http_req_duration,"]
)
def test_a_torn_line_is_passed_over(line: str) -> None:
    """A k6 that is killed stops in the middle of a line."""
    assert len(read(row(1, 1), line)) == 1


@pytest.mark.parametrize("lines", [[], ["what is this"], [""]], ids=["none", "other", "empty"])
def test_no_csv_is_no_point(lines: list[str]) -> None:
    """A k6 that did not begin leaves nothing."""
    points = Points()
    points.read(lines)
    assert len(points) == 0
    assert points.look().requests == 0


def test_a_look_tells_rate_p95_failures_and_silence() -> None:
    """Rate and p95 are of the last seconds, failures of all, silence since the last answer."""
    rows = [row(100 + n / 10, 5) for n in range(100)]
    rows += [row(110 + n, 0, ok=False, status="0") for n in range(4)]
    look = read(*rows).look()
    assert (look.requests, look.failed, look.p95_ms) == (104, 4, 5)
    assert look.silent == pytest.approx(3.1)
    assert look.rate == pytest.approx((19 + 4) / 5, abs=0.3)


def test_figures_of_points() -> None:
    """Nearest-rank percentiles, shares of the whole, and a rate over the time between the ends."""
    found = measure([Point(n / 10, n + 1.0, failed=n == 0) for n in range(100)])
    assert (found.requests, found.failed, found.error_rate) == (100, 1, 0.01)
    assert (found.p10_ms, found.p50_ms, found.p90_ms) == (10, 50, 90)
    assert (found.p95_ms, found.p99_ms) == (95, 99)
    assert (found.average_ms, found.max_ms) == (50.5, 100)
    assert (found.seconds, found.rate) == (9.9, 10.1)


def test_who_was_told_to_come_back_has_not_failed() -> None:
    """Nor has an instant refusal anything to do with how fast a service answers."""
    points = [Point(n, 10.0, failed=False) for n in range(9)]
    found = measure([*points, Point(9, 0.1, failed=False, away=True)])
    assert (found.requests, found.failed, found.turned_away) == (10, 0, 1)
    assert (found.p10_ms, found.average_ms) == (10, 10)


@pytest.mark.parametrize(
    ("line", "most", "excused"),
    [
        (row(105, 100, ok=False, status="503"), 1, 1),
        (row(105, 100, ok=True, status="503"), 1, 1),
        (row(105, 100, ok=False, status="502"), 1, 0),
        (row(100.05, 100, ok=False, status="503"), 1, 1),
        (row(110.05, 100, ok=False, status="503"), 1, 1),
        (row(99.95, 100, ok=False, status="503"), 1, 0),
        (row(110.15, 100, ok=False, status="503"), 1, 0),
        (row(105, 100, ok=False, status="503"), 0, 0),
    ],
    ids=[
        "refused",
        "expected",
        "other",
        "in flight at its begin",
        "in flight at its end",
        "answered before",
        "sent after",
        "not by the gateway",
    ],
)
def test_only_a_503_of_the_closed_time_is_excused(line: str, most: int, excused: int) -> None:
    """And no more of them than the gateway itself has told to come back."""
    points = read(line)
    points.excuse([(100.0, 110.0)], most)
    found = measure(points)
    assert (found.turned_away, found.failed) == (excused, int("false" in line) * (1 - excused))


def test_figures_of_nothing_are_zero() -> None:
    """A test without requests divides by nothing."""
    assert set(measure([])) == {0}
    assert set(pool([])) == {0}


def test_runs_are_pooled_without_the_time_between() -> None:
    """Two runs of a second each are two seconds, whenever they were."""
    first = [Point(0, 1, failed=False), Point(1, 1, failed=False)]
    second = [Point(50, 3, failed=False), Point(51, 3, failed=False)]
    found = pool([first, second])
    assert (found.requests, found.seconds, found.rate) == (4, 2, 2)


def test_columns_are_by_the_second() -> None:
    """Rate, percentiles and failures of each second; a second without requests has none."""
    points = [
        Point(10.2, 1, failed=False),
        Point(10.4, 3, failed=True),
        Point(12.9, 5, failed=False),
    ]
    series = draw_columns(points, lambda _: "load")
    assert (series["seconds"], series["buckets"]) == (1, 3)
    assert series["versions"]["load"] == {
        "requests": [2, 0, 1],
        "rate": [2, 0, 1],
        "failed": [1, 0, 0],
        "p50_ms": [1, None, 5],
        "p95_ms": [3, None, 5],
    }
    assert draw_columns([], lambda _: "load")["versions"] == {}


def test_a_long_test_has_wider_buckets() -> None:
    """The series stays bounded, and loses no request."""
    points = [Point(float(n), 1, failed=False) for n in range(5000)]
    series = draw_columns(points, lambda point: "a" if point.at < 2500 else "b")
    assert series["buckets"] <= 600
    assert sum(sum(lane["requests"]) for lane in series["versions"].values()) == 5000


def test_thresholds_come_with_what_was_measured() -> None:
    """And with how much of the limit is used; of a share that must stay high, what is missing."""
    checks, p95, p99 = read_thresholds(SUMMARY)
    assert (p95.value, p95.ok, p95.used) == (250, True, 0.5)
    assert (p99.value, p99.used) == (None, None)
    assert (checks.ok, checks.limit) == (False, 0.99)
    assert checks.used == pytest.approx(3)


@pytest.mark.parametrize("condition", ["rate==0", "count>3", "what", ""])
def test_not_every_threshold_has_a_share(condition: str) -> None:
    """Where a share says nothing, none is told."""
    assert Threshold("m", condition, ok=True, value=1.0).used is None


def test_a_threshold_is_kept_only_if_every_run_kept_it() -> None:
    """The worst run stands for all."""
    runs = [
        [Threshold("m", "p(95)<10", ok, value)]
        for ok, value in ((True, 5.0), (False, 12.0), (True, 9.0))
    ]
    assert join_thresholds(runs) == [Threshold("m", "p(95)<10", ok=False, value=12.0)]
    assert join_thresholds(runs[::2]) == [Threshold("m", "p(95)<10", ok=True, value=9.0)]


def test_checks_are_added_up_with_their_groups() -> None:
    """Over all runs."""
    found = join_checks([read_checks(SUMMARY), read_checks(SUMMARY), read_checks({})])
    assert found == [("is 200", 10, 2), ("in: b", 4, 0)]
