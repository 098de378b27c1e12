"""From samples and events to figures and a verdict."""

from __future__ import annotations

import json
from typing import Any

import pytest

from orchestrator.evidence.notes import MOST_CLOSES, Note, list_closes, list_websockets
from orchestrator.evidence.samples import (
    MOST_LOSSES,
    Client,
    Sample,
    count,
    parse_testimony,
    tell_stale,
)
from orchestrator.evidence.summary import judge, summarize
from orchestrator.series import percentile

STARTED = {
    "event": "started",
    "at": "12:00",
    "release": "r1",
    "command": "deploy",
    "service": "web",
    "version": "v2",
    "operator": "ann",
    "host": "box",
    "ci": "",
}
ENDED = {"event": "ended", "at": "12:01", "outcome": "deployed", "seconds": 60.0}
WITNESS = {"sent": 1, "lost": 0}


def sample(
    at: float = 0,
    *,
    ms: float = 10,
    client: Client = "fresh",
    served: str = "web_blue/v1",
    lost: str | None = None,
) -> Sample:
    """Return one request of the witness."""
    return Sample(at, client, "GET /", 0.0, ms, None if lost else 200, served, lost)


def test_of_nothing_there_is_no_percentile() -> None:
    """It is told as 0; of one value it is that value, at every percentage."""
    assert percentile([], 99) == 0
    assert percentile([7], 0) == percentile([7], 1) == percentile([7], 100) == 7


def test_good_answers_are_counted_by_version() -> None:
    """Also where nobody said who served; lost ones by their reasons."""
    samples = [
        sample(0),
        sample(3, lost="status 502, expected 200"),
        sample(4, served="web_green/v2"),
        sample(5, served=""),
    ]
    figures = count(samples, closed_early=2)
    assert (figures.sent, figures.ok, figures.lost, figures.closed_early) == (4, 3, 1, 2)
    assert figures.versions == {"v1": 1, "v2": 1}
    assert figures.losses[0]["lost"] == "status 502, expected 200"
    assert figures.facts()["sent"] == 4


def test_the_longest_gap_is_between_ends_of_good_answers() -> None:
    """In whatever order they were sent, and lost ones do not fill it."""
    samples = [sample(3), sample(0, ms=500), sample(1, lost="reset"), sample(2.5)]
    assert count(samples).longest_gap_ms == 2010.0
    assert count(samples[:1]).longest_gap_ms == 0


def test_many_losses_are_counted_and_not_all_listed() -> None:
    """Evidence stays readable where everything is lost."""
    figures = count([sample(lost="reset")] * 1000)
    assert figures.lost == 1000
    assert len(figures.losses) == MOST_LOSSES


def test_the_most_frequent_reasons_are_counted() -> None:
    """The most frequent first, and not each of a long tail."""
    lost = [sample(lost=f"reason {kind}") for kind in range(8) for _ in range(kind + 1)]
    assert count([*lost, sample()]).reasons == {
        f"reason {kind}": kind + 1 for kind in (7, 6, 5, 4, 3)
    }
    assert count([sample()]).reasons == {}


def test_stale_answers_are_lost_ones() -> None:
    """They are told by themselves; that there were none, only where they were watched for."""
    fine = [sample(0), sample(1, lost="reset")]
    torn = [*fine, sample(2, lost=tell_stale("v1", "v2"))]
    promised, withdrawn = Note(0, "promised", text="v2"), Note(3, "withdrawn", text="v2")
    for notes, stale in (
        ((), None),
        ((promised,), 0),
        ((promised, withdrawn), None),
        ((promised, withdrawn, promised), 0),
    ):
        assert count(fine, notes=notes).stale == stale
        assert (count(torn, notes=notes).lost, count(torn, notes=notes).stale) == (2, 1)


def test_closes_are_counted_and_the_first_are_listed() -> None:
    """Kept connections and WebSockets apart; who is left by the witness was not closed."""
    kept = [Note(n, "closed", "keepalive", "POST /", 0.5, "while idle") for n in range(30)]
    live = Note(9, "closed", "websocket", "/live", 0.5, "cut without a goodbye")
    left = Note(9, "left", "websocket", "/chat", 0.5, "it was still open")
    closes = list_closes([live, left, *kept])
    assert (closes["kept"], closes["websockets"]) == (30, 1)
    assert len(closes["first"]) == MOST_CLOSES  # type: ignore[arg-type]


def test_each_websocket_is_told_from_its_opening_to_its_end() -> None:
    """How long it was open, who ended it and how; one that did not open has only its reason."""
    notes = [
        Note(1, "opened", "websocket", "/live"),
        Note(1, "refused", "websocket", "/chat", text="status 404, expected 101"),
        Note(2, "closed", "keepalive", "POST /"),
        Note(3.5, "closed", "websocket", "/live", 2, "closed with code 1001"),
    ]
    chat, live = list_websockets(notes)
    assert (chat["opened"], chat["seconds"], chat["end"]) == (None, None, "refused")
    assert (live["opened"], live["seconds"], live["at"], live["end"]) == (1, 2.5, 3.5, "closed")
    assert [chat["text"], live["text"]] == ["status 404, expected 101", "closed with code 1001"]


def test_a_websocket_without_an_end_is_told_too() -> None:
    """The process died that held it."""
    (live,) = list_websockets([Note(1, "opened", "websocket", "/live")])
    assert (live["opened"], live["end"], live["at"]) == (1, None, None)


def test_the_testimony_is_read_as_it_was_written() -> None:
    """Requests and notes, line by line; a line that is neither is refused."""
    entries: list[Any] = [sample(0), Note(1, "opened", "websocket", "/live"), sample(2)]
    text = "".join(json.dumps(entry.facts()) + "\n" for entry in entries)
    assert parse_testimony(text) == ([entries[0], entries[2]], [entries[1]])
    for line in ('{"note": "sung", "at": 1}', '{"note": "opened"}', '{"at": 1}', "[]", "7"):
        with pytest.raises(ValueError, match=r"."):
            parse_testimony(line)


@pytest.mark.parametrize(
    ("outcome", "sent", "lost", "lossless", "text"),
    [
        ("deployed", 100, 0, True, "released, 0 of 100 witness requests lost"),
        ("deployed", 100, 2, False, "released, 2 of 100 witness requests lost"),
        ("reverted", 100, 0, True, "reverted, 0 of 100 witness requests lost"),
        ("failed_unsafe", 9, 9, False, "failed unsafe, 9 of 9 witness requests lost"),
    ],
)
def test_a_verdict_rests_on_the_witness(
    *, outcome: str, sent: int, lost: int, lossless: bool, text: str
) -> None:
    """Whatever became of the release, its verdict is about the requests."""
    assert judge(outcome, {"sent": sent, "lost": lost}) == {"lossless": lossless, "text": text}


def test_a_release_that_failed_early_has_evidence() -> None:
    """What it did not come to is empty."""
    failed = {"event": "failed", "phase": "build", "reason": "no", "hint": None, "logs": ""}
    events: list[dict[str, Any]] = [STARTED, failed, ENDED | {"outcome": "reverted"}]
    evidence: Any = summarize(events, WITNESS, None, {})
    assert evidence["outcome"] == "reverted"
    assert evidence["failure"] == {"phase": "build", "reason": "no", "hint": None, "logs": ""}
    assert (evidence["what"]["version"], evidence["what"]["color"]) == ("v2", None)
    assert (evidence["drain"], evidence["undone"], evidence["gate"]) == (None, None, [])


def test_evidence_keeps_the_order_of_what_happened() -> None:
    """Phases and warnings are listed as they came; the last plan is the one that ran."""
    planned = {"event": "planned", "color": "blue", "previous": "v1", "image": "i", "digest": "d"}
    events: list[dict[str, Any]] = [
        STARTED,
        planned,
        planned | {"color": "green"},
        {"event": "phase_done", "at": "1", "phase": "start", "seconds": 1.0},
        {"event": "phase_done", "at": "3", "phase": "gate", "seconds": 2.0},
        {"event": "warning", "text": "one"},
        {"event": "warning", "text": "two"},
        {"event": "drained", "seconds": 1.0, "workers": 2, "cut": 0},
        ENDED,
    ]
    evidence: Any = summarize(events, WITNESS, {"requests": 1}, {"nginx.diff": "s"})
    assert [phase["phase"] for phase in evidence["phases"]] == ["start", "gate"]
    assert evidence["warnings"] == ["one", "two"]
    assert evidence["what"]["color"] == "green"
    assert evidence["drain"] == {"seconds": 1.0, "workers": 2, "cut": 0}
    assert evidence["verdict"]["lossless"] is True
    assert evidence["files"] == {"nginx.diff": "s"}
