"""Requests whose answers were cut on their way are neither good nor lost, unless the gateway's log knows."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.events import Started, Traced
from orchestrator.evidence.audit import Audit
from orchestrator.evidence.record import Record
from orchestrator.evidence.samples import Sample, count, draw_samples
from orchestrator.evidence.summary import judge
from orchestrator.evidence.unseen import Trace, resolve
from orchestrator.gateway.traffic import find_answers
from orchestrator.release.conclusion import look_up
from orchestrator.release.result import SLO_MISSED, Result
from orchestrator.wording import summarize
from tests.fakes.clock import FakeClock
from tests.fakes.releases import Releases

if TYPE_CHECKING:
    from pathlib import Path

SERVED = "web_blue/v1"
GOOD = Sample(100.0, "fresh", "GET /", 0.0, 2.0, 302, SERVED, None)
UNSEEN = Sample(101.0, "fresh", "GET /", 0.0, 500.0, None, "", "connection closed", "unseen-1")


def test_what_was_not_seen_is_counted_apart_and_proves_nothing() -> None:
    """As neither good nor lost; for how long is told, and no gap between answers is made of it."""
    back = replace(GOOD, at=160.0)
    later = replace(UNSEEN, at=101.2, unseen="unseen-2")
    figures = count([GOOD, UNSEEN, later, replace(UNSEEN, at=150.0), back])
    assert (figures.sent, figures.ok, figures.lost, figures.unseen) == (5, 2, 0, 3)
    assert figures.blind == [{"at": 101.0, "seconds": 0.7}, {"at": 150.0, "seconds": 0.5}]
    assert (figures.longest_gap_ms, figures.reasons, figures.losses) == (0.0, {}, ())
    assert judge("deployed", figures.facts()) == {
        "lossless": None,
        "text": "released, 0 of 5 witness requests lost, 3 not seen:"
        " the way to the gateway was cut for 1.2 s",
    }
    drawn: Any = draw_samples([GOOD, UNSEEN], 90.0, 120.0)
    assert {*drawn["versions"]} == {"v1"}


def test_a_loss_stays_one_beside_what_was_not_seen() -> None:
    """The verdict is that of the loss."""
    figures = count([GOOD, UNSEEN, replace(UNSEEN, unseen="")])
    assert (figures.lost, figures.unseen) == (1, 1)
    verdict = judge("deployed", figures.facts())
    assert (verdict["lossless"], "1 of 3 witness requests lost" in str(verdict["text"])) == (
        False,
        True,
    )


@pytest.mark.parametrize(
    ("trace", "lost", "unseen", "by_log"),
    [
        (Trace(302, "web_blue"), 0, 0, 1),
        (Trace(200, "web_blue"), 1, 0, 0),
        (Trace(502, "web_blue"), 1, 0, 0),
        (Trace(503, "closed"), 0, 0, 0),
        (Trace(503, "web_blue"), 1, 0, 0),
        (Trace(499, "web_blue"), 0, 1, 0),
        (Trace(408, ""), 0, 1, 0),
        (Trace(400, ""), 0, 1, 0),
        (None, 0, 1, 0),
    ],
)
def test_the_gateways_log_decides_where_it_knows(
    trace: Trace | None, lost: int, unseen: int, by_log: int
) -> None:
    """Answered as others were: good. Answered otherwise: lost. Gone before the answer: nobody knows."""
    traces = {"unseen-1": trace} if trace else {}
    figures = count(resolve([GOOD, UNSEEN], traces), closed=[(100.5, 102.0)])
    assert (figures.lost, figures.unseen, figures.by_log) == (lost, unseen, by_log)
    assert figures.sent == figures.ok + figures.lost + figures.unseen + figures.turned_away == 2
    assert judge("deployed", figures.facts())["lossless"] is (
        False if lost else None if unseen else True
    )


def test_without_an_answer_of_its_kind_only_200_is_right() -> None:
    """The log does not make a right answer of whatever came."""
    for status, lost in ((200, 0), (302, 1)):
        assert count(resolve([UNSEEN], {"unseen-1": Trace(status, "web_blue")})).lost == lost


def test_the_log_has_no_status_of_a_call() -> None:
    """To HTTP each answer to one is 200, also one that says that nobody was reached."""
    call = replace(UNSEEN, request="gRPC /a.A/B")
    good = replace(GOOD, request="gRPC /a.A/B", status=0)
    assert resolve([good, call], {"unseen-1": Trace(200, "web_blue")}) == [good, call]


def test_the_log_is_asked_at_the_end_and_recorded(tmp_path: Path) -> None:
    """By the names of requests that were not seen; a line of another one says nothing."""
    record = Record.begin(tmp_path / "releases", "web", "v2", FakeClock())
    record.emit(Started(record.release, "deploy", "web", "v2", "ann", "box", ""))
    for sample in (GOOD, UNSEEN, replace(UNSEEN, unseen="unseen-2")):
        record.sample(sample)
    lines = (
        {"request_id": "unseen-1", "status": "302", "target": "web_blue"},
        {"request_id": "other"},
    )
    log = "\n".join(
        ["[notice] exiting", *map(json.dumps, lines), '{"request_id":"unseen-2","status":""}']
    )
    figures = look_up(record, count(record.samples), log)
    assert (figures.ok, figures.by_log, figures.unseen) == (2, 1, 1)
    (traced,) = (event for event in record.events if event["event"] == "traced")
    assert traced["answers"] == {"unseen-1": (302, "web_blue")}
    assert find_answers(log, {"unseen-2"}) == {}
    for nothing in (None, ""):
        assert look_up(record, figures, nothing) == figures
    record.close()


def test_the_evidence_shows_it_and_can_be_drawn_again(tmp_path: Path) -> None:
    """On both pages, and in the verdict."""
    releases = Releases(tmp_path)
    left = releases.leave(unseen=(7, 8, 9), more=[Traced({"unseen-8": (200, "web_blue")})])
    facts = json.loads((left / "evidence.json").read_text())
    assert facts["verdict"]["lossless"] is None
    assert (facts["witness"]["unseen"], facts["witness"]["by_log"]) == (2, 1)
    for name in ("report.html", "evidence.md"):
        page = (left / name).read_text()
        assert "2 not seen" in page
        assert "the way to the gateway was cut" in page.replace("The way", "the way")
    whole = releases.leave("v3", unseen=(7,), more=[Traced({"unseen-7": (200, "web_blue")})])
    page = (whole / "evidence.md").read_text()
    assert "no request lost, 1 answered by the gateway's log alone" in page
    assert {finding.state for finding in Audit(releases.folder).check_all()} == {"sound"}


def test_a_release_that_was_not_seen_through_says_so_and_is_no_success() -> None:
    """On the terminal, and by its exit code."""
    figures = count([GOOD, UNSEEN])
    result = Result(
        "deployed", "web", "v2", "green", "r", None, figures, {"total": 3.0}, previous="v1"
    )
    assert result.exit_code == SLO_MISSED
    told = summarize(result)
    assert "0 of 2 requests lost, 1 not seen" in told
    assert "not proven: the way to the gateway was cut for 0.5 s, from 00:01:41 UTC on" in told
