"""Requests over time, gathered in buckets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.series import MOST_BUCKETS, Answer, choose_width, draw_series

ANSWERS = st.builds(
    Answer,
    at=st.floats(-1e6, 1e6),
    version=st.sampled_from(["", "v1", "v2"]),
    ms=st.none() | st.floats(0, 1e6),
    failed=st.booleans(),
)


def test_answers_are_counted_by_second_and_version() -> None:
    """Each bucket has its requests, its failures and the percentiles of what was timed."""
    answers = [
        Answer(10.0, "v1", 5.0, failed=False),
        Answer(10.9, "v1", 9.0, failed=True),
        Answer(11.0, "v1", None, failed=False),
        Answer(12.5, "v2", 7.0, failed=False),
    ]
    assert draw_series(answers, 10.0, 12.6) == {
        "start": 10.0,
        "seconds": 1,
        "buckets": 3,
        "versions": {
            "v1": {
                "requests": [2, 1, 0],
                "failed": [1, 0, 0],
                "p50_ms": [5.0, None, None],
                "p95_ms": [9.0, None, None],
            },
            "v2": {
                "requests": [0, 0, 1],
                "failed": [0, 0, 0],
                "p50_ms": [None, None, 7.0],
                "p95_ms": [None, None, 7.0],
            },
        },
    }


@pytest.mark.parametrize(
    ("seconds", "width"),
    [(-5, 1), (0, 1), (600, 1), (601, 2), (1201, 5), (3001, 10), (86400, 200)],
)
def test_a_long_release_has_wider_buckets(seconds: float, width: int) -> None:
    """Widths are round, and there are never more buckets than a chart can show."""
    assert choose_width(seconds) == width
    assert draw_series([], 0, seconds)["buckets"] == max(1, -(-seconds // width))


@given(answers=st.lists(ANSWERS), start=st.floats(-1e6, 1e6), span=st.floats(0, 1e6))
def test_no_answer_is_left_out(answers: list[Answer], start: float, span: float) -> None:
    """Whenever it came, it is in one bucket; no column is longer than the others."""
    series: Any = draw_series(answers, start, start + span)
    columns = series["versions"].values()

    assert sum(sum(each["requests"]) for each in columns) == len(answers)
    assert sum(sum(each["failed"]) for each in columns) == sum(a.failed for a in answers)
    assert 1 <= series["buckets"] <= MOST_BUCKETS
    assert {len(column) for each in columns for column in each.values()} <= {series["buckets"]}
