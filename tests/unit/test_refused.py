"""Requests that were refused in HTTP/2: told, and no loss."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.drill.faults import FAULTS
from orchestrator.drill.verdict import count_toll
from orchestrator.evidence.audit import Audit
from orchestrator.evidence.samples import Sample, count, draw_samples, merge, parse_entry
from orchestrator.evidence.summary import judge
from orchestrator.release.result import Result
from orchestrator.wording import summarize
from tests.fakes.releases import Releases

if TYPE_CHECKING:
    from pathlib import Path

GOOD = Sample(100.0, "http2", "GET /", 0.0, 2.0, 200, "web_blue/v1", None)
REFUSED = Sample(101.0, "http2", "GET /", 0.0, 5.0, None, "", "refused: GOAWAY", refused=True)


def test_what_was_refused_is_counted_apart() -> None:
    """As neither good nor lost, so the release is lossless; nothing is drawn of it."""
    fresh = replace(GOOD, client="fresh", at=102.0)
    figures = count([GOOD, REFUSED, fresh])
    assert (figures.sent, figures.ok, figures.lost, figures.refused) == (3, 2, 0, 1)
    assert (figures.http2, figures.turned_away, figures.unseen) == (2, 0, 0)
    assert (figures.reasons, figures.losses) == ({}, ())
    assert judge("deployed", figures.facts()) == {
        "lossless": True,
        "text": "released, 0 of 3 witness requests lost, 1 refused, which may be sent again",
    }
    drawn: Any = draw_samples([GOOD, REFUSED], 90.0, 120.0)
    assert {*drawn["versions"]} == {"v1"}
    both = merge([figures, figures])
    assert (both.http2, both.refused) == (4, 2)


def test_a_line_says_so_only_where_it_is_so() -> None:
    """And is read again as it was written; what is no truth value is none of ours."""
    assert "refused" not in GOOD.facts()
    for sample in (GOOD, REFUSED):
        assert parse_entry(json.dumps(sample.facts())) == sample
    with pytest.raises(ValueError, match="refused"):
        parse_entry(json.dumps(REFUSED.facts() | {"refused": "no"}))


def test_the_last_line_of_a_release_says_it() -> None:
    """Only where there were any; the exit code is that of a success."""
    for samples, told in (
        ([GOOD, REFUSED], "0 of 2 requests lost, 1 refused by HTTP/2, longest gap"),
        ([GOOD], "0 of 1 requests lost, longest gap"),
    ):
        figures = count(samples)
        result = Result(
            "deployed", "web", "v2", "green", "r", None, figures, {"total": 3.0}, previous="v1"
        )
        assert result.exit_code == 0
        assert told in summarize(result)


def test_a_drill_counts_it_as_no_loss() -> None:
    """Whatever was struck."""
    toll = count_toll([GOOD, REFUSED], FAULTS[0], (100.5, 100.6), 2)
    assert (toll.sent, toll.lost, toll.in_flight, toll.cut_off) == (2, 0, 0, 0)


def test_the_pages_show_it_and_it_can_be_drawn_again(tmp_path: Path) -> None:
    """A release without TLS shows neither line."""
    releases = Releases(tmp_path)
    left, plain = releases.leave(refused=(7, 8)), releases.leave("v3")
    facts = json.loads((left / "evidence.json").read_text())
    assert facts["verdict"]["lossless"] is True
    assert (facts["witness"]["http2"], facts["witness"]["refused"]) == (2, 2)
    for name in ("report.html", "evidence.md"):
        assert "refused in HTTP/2: any client may send them again" in (left / name).read_text()
        assert "HTTP/2" not in (plain / name).read_text()
    assert {finding.state for finding in Audit(releases.folder).check_all()} == {"sound"}
