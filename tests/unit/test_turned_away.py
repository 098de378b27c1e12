"""Requests that were refused on purpose are no lost ones, and no others pass for them."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from typing import Any

import pytest

from orchestrator.evidence.samples import Sample, count, draw_samples
from orchestrator.evidence.summary import find_closed, judge

CLOSED = (100.0, 110.0)
UNEXPECTED = "status 503, expected 200"
REFUSED = Sample(105.0, "fresh", "GET /", 0.0, 2.0, 503, "closed", UNEXPECTED)


def test_who_was_told_to_come_back_is_counted_apart() -> None:
    """As neither good nor lost; the verdict says it."""
    good = replace(REFUSED, status=200, served="notes_blue/v1", lost=None)
    figures = count([REFUSED, good], closed=[CLOSED])

    assert (figures.sent, figures.ok, figures.lost, figures.turned_away) == (2, 1, 0, 1)
    assert judge("deployed", figures.facts()) == {
        "lossless": True,
        "text": "released, 0 of 2 witness requests lost, 1 told to come back",
    }
    drawn: Any = draw_samples([REFUSED], 90.0, 120.0, [CLOSED])
    assert sum(drawn["versions"]["closed"]["failed"]) == 0


def test_so_is_a_call_of_grpc() -> None:
    """Whose status says the same."""
    call = replace(REFUSED, request="gRPC /a.A/B", status=14, lost="status 14, expected 0")
    figures = count([call, replace(call, served="web_blue/v1")], closed=[CLOSED])
    assert (figures.turned_away, figures.lost) == (1, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": 502},
        {"status": None, "served": ""},
        {"served": "notes_blue/v1"},
        {"served": "none"},
        {"at": 99.0},
        {"at": 110.1},
    ],
)
def test_all_that_is_not_plainly_that_is_lost(wrong: dict[str, Any]) -> None:
    """Another status, an app's own 503, no mark of the gateway, or a time that was not closed."""
    figures = count([replace(REFUSED, **wrong)], closed=[CLOSED])
    assert (figures.lost, figures.turned_away) == (1, 0)


@pytest.mark.parametrize(("at", "ms"), [(99.0, 1001.0), (110.0005, 2.0)])
def test_the_gateway_decides_between_a_request_and_its_answer(at: float, ms: float) -> None:
    """And times of events are cut to milliseconds."""
    assert count([replace(REFUSED, at=at, ms=ms)], closed=[CLOSED]).turned_away == 1


def test_the_closed_times_are_those_that_the_release_has_recorded() -> None:
    """A worker has none; one that died has no end."""
    moments = ("closed", "idle", "idle", "closed")
    events = [
        {"at": f"1970-01-01T00:00:0{second}+00:00", "event": what}
        for second, what in enumerate(moments)
    ]
    assert find_closed(events) == [(0.0, 1.0), (3.0, inf)]
    closed_by_others = [
        *events,
        {**events[-1], "event": "adopted"},
        {**events[-1], "event": "idle"},
    ]
    assert find_closed(closed_by_others) == [(0.0, 1.0), (3.0, inf)]
