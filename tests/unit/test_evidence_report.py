"""The pages of a release: the verdict first, nothing left out, and nothing in them runs."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.events import DrainEnded, Failed, ReplicaStarted, Undone, Warned
from orchestrator.evidence.notes import Note
from orchestrator.evidence.report import mark_line, render_page, render_report, to_block, to_code
from orchestrator.evidence.sketch import sketch
from orchestrator.evidence.view import tell_verdict
from orchestrator.gateway.traffic import count_traffic
from tests.fakes.markup import Page
from tests.fakes.releases import HOSTILE, NOTES, Releases

if TYPE_CHECKING:
    from pathlib import Path


LOG = "\n".join(
    json.dumps(
        {
            "time": str(1893456128 + number / 4),
            "target": "web_blue",
            "status": "200" if number else "503",
            "seconds": "0.012",
        }
    )
    for number in range(20)
)
VERSIONS = {"blue": "v1", "green": "v2"}


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """Return what a release that lost a request has left."""
    return Releases(tmp_path).leave(lost=(7,))


def hostile(text: str, tmp_path: Path) -> Path:
    """Return what a release has left in which everybody wrote what they wanted."""
    traffic = {"requests": 1, "failed": 0, "versions": {text: {"2xx": 1}}}
    more = [Warned(text), Failed("gate", text, text, text), Undone(text)]
    return Releases(tmp_path).leave(more=more, traffic=traffic, texts={"nginx.diff": f"+{text}"})


def test_the_verdict_is_the_first_thing(left: Path) -> None:
    """In words, on both pages."""
    page = (left / "report.html").read_text()

    words = "Released: 1 of 40 requests lost"
    assert f"<h1>✕ {words}</h1>" in page
    assert page.index("<h1>") < page.index("What was released") < page.index("Phases")
    assert words in "".join((left / "evidence.md").read_text().splitlines()[:3])


def test_both_pages_say_the_same(tmp_path: Path) -> None:
    """What was released, by whom, when users moved, what they saw, the gate, the drain, the diff."""
    releases = Releases(tmp_path)
    before = releases.leave("v1")
    more = [
        ReplicaStarted("web-green-1", "0123456789abcdef"),
        DrainEnded(1.5, 1),
        Warned("it is late"),
    ]
    traffic = count_traffic(LOG, "web", VERSIONS, 1893456128, 1893456136).facts()
    left = releases.leave(lost=(7, 38), more=more, traffic=traffic)
    page, text = ((left / name).read_text() for name in ("report.html", "evidence.md"))
    facts = json.loads((left / "evidence.json").read_text())

    told = ["ann", "box", "v1", "v2", "green", "web:v2", "sha256:1", "web-green-1", "0123456789ab"]
    told += [facts["when"]["started"], facts["when"]["ended"], "it is late", left.name]
    told += ["the old version had answered all within 1.5 s, 1 connection cut", "After users moved"]
    told += ["1 to 2", "kept connections closed early", "connection closed", "-to v1;", "+to v2;"]
    told += ["1 lines added, 1 removed", before.name, *facts["files"], *facts["files"].values()]
    told += ["1.41 s", "7.64 s"]  # when the two were lost
    told += ["promote", "2.00", "stackctl evidence verify", "events.jsonl"]
    told += [str(facts["witness"][name]) for name in ("sent", "lost", "longest_gap_ms", "p99_ms")]
    for words in told:
        assert (words, words in page, words in text) == (words, True, True)
    assert "| v1 | 19 | 0 | 0 | 1 |" in text
    assert '<td>v1</td><td class="number">19</td>' in page


def test_the_charts_are_lines_of_characters_in_a_pull_request(tmp_path: Path) -> None:
    """One character a bucket; the switch stands under the bucket in which it was, losses as well."""
    page = (Releases(tmp_path).leave(lost=(7, 38)) / "evidence.md").read_text()

    assert page.partition("```text\n")[2].partition("\n```")[0].splitlines() == [
        "each column is 1 s, from 0 to 8 s",
        "requests/s v1 (before)          █▇████··  at most 5 a second",
        "requests/s v2 (new)             ······█▇  at most 5 a second",
        "requests/s no version answered  ·▂·····▂  at most 1 a second",
        "p95 v1 (before)                 ▂▃▄▅▆▇··  at most 34 ms",
        "p95 v2 (new)                    ······██  at most 44 ms",
        "p95 no version answered         ········  none",
        "users moved                           ▲   after 6.0 s",
        "lost or failed                   ✕     ✕  2 of them",
    ]


def test_a_long_release_is_sketched_on_one_line(tmp_path: Path) -> None:
    """Then several buckets share a character; a name of others is cut, and stays on its line."""
    facts = json.loads((Releases(tmp_path).leave() / "evidence.json").read_text())
    name = "a\nb\x1b" + "c" * 99
    columns = {
        "requests": [10] * 200,
        "failed": [0] * 199 + [3],
        "p50_ms": [None] * 200,
        "p95_ms": [None] * 100 + [50.0] * 100,
    }
    series = {"start": 0.0, "seconds": 2, "buckets": 200, "versions": {name: columns}}
    drawn = sketch(facts | {"traffic": {"series": series}}, "traffic").splitlines()

    cut = "a b " + "c" * 19 + "…"
    assert drawn == [
        "each column is 6 s, from 0 to 402 s",
        f"requests/s {cut}  {'█' * 67}  at most 5 a second",
        f"p95 {cut}         {'·' * 33}{'█' * 34}  at most 50 ms",
        f"users moved{' ' * 26} ▲{' ' * 65}  after 6.0 s",
        f"lost or failed{' ' * 23}{' ' * 66}✕  3 of them",
    ]
    assert sketch(facts | {"traffic": None}, "traffic") == ""
    assert sketch(facts | {"traffic": {"requests": 0}}, "traffic") == ""


@pytest.mark.parametrize(("lost", "opened"), [(3, True), (10, True), (11, False), (40, False)])
def test_each_lost_request_is_told(tmp_path: Path, *, lost: int, opened: bool) -> None:
    """When, by which client and why, on both pages; many are folded away, and still there.

    The reasons are counted in front of them.
    """
    left = Releases(tmp_path).leave(lost=range(lost))
    page = (left / "report.html").read_text()

    assert page.count('<td class="answer">connection closed</td>') == lost
    assert ("<details open><summary>" in page) is opened
    assert page.count('<g class="loss">') == 2 * lost  # in both charts of the witness
    text = (left / "evidence.md").read_text()
    assert text.count("| connection closed |") == lost + 1
    assert f"\n| {lost} | connection closed |\n" in text
    assert f'<td class="number">{lost}</td><td>connection closed</td>' in page
    assert ("<summary>each lost request</summary>" in text) is not opened


def test_what_became_of_connections_is_told(tmp_path: Path) -> None:
    """Stale answers, closes one by one, and each WebSocket, on both pages."""
    left = Releases(tmp_path).leave(notes=NOTES)
    page, text = ((left / name).read_text() for name in ("report.html", "evidence.md"))
    rows = {
        "stale answers": "0",
        "kept connections closed by the gateway": "1",
    }
    live = "open for 2.5 s, left by the witness after 2.6 s: it was still open"
    assert f"| WebSocket /live | {live} |" in text
    assert f"<p>WebSocket /live: {live}.</p>" in page
    for name, told in rows.items():
        assert f"| {name} | {told} |" in text
        assert f'<td>{name}</td><td class="number">{told}</td>' in page
    assert "| 0.20 s | `POST /` | keepalive | 0.15 s | while idle, before its time |" in text
    assert '<td class="answer">while idle, before its time</td>' in page
    assert "Once v2 had answered, no later request may be answered by another version" in page


@pytest.mark.parametrize(
    ("note", "told"),
    [
        (Note(1, "closed", "websocket", "/live", 0.5, "cut"), "open for 0.9 s, cut after 1.0 s"),
        (Note(1, "left", "websocket", "/chat", 0.5, "bye"), "opened; how it ended is not known"),
    ],
    ids=["closed", "nobody knows"],
)
def test_the_end_of_a_websocket_is_told(tmp_path: Path, note: Note, told: str) -> None:
    """Who ended it and when, as far as that is known."""
    opened = Note(0.1, "opened", "websocket", "/live")
    page = (Releases(tmp_path).leave(notes=(opened, note)) / "evidence.md").read_text()
    assert f"| WebSocket /live | {told} |" in page


def test_a_websocket_that_did_not_open_is_told(tmp_path: Path) -> None:
    """With its reason."""
    refused = Note(0.1, "refused", "websocket", "/live", text="status 404, expected 101")
    page = (Releases(tmp_path).leave(notes=(refused,)) / "evidence.md").read_text()
    assert "| WebSocket /live | did not open: status 404, expected 101 |" in page


def test_the_witness_is_explained(tmp_path: Path) -> None:
    """To who has never heard of it; without one there is nothing to explain."""
    facts = json.loads((Releases(tmp_path).leave() / "evidence.json").read_text())
    assert "None is sent twice" in render_page(facts)
    silent = facts | {"witness": facts["witness"] | {"sent": 0}, "moves": []}
    assert "None is sent twice" not in render_page(silent)
    unmoved = render_page(facts | {"moves": []})
    assert ("None is sent twice" in unmoved, "After users moved" in unmoved) == (True, False)


def test_the_numbers_are_in_the_report(left: Path) -> None:
    """As a block of data that is the evidence itself."""
    page = (left / "report.html").read_text()

    block = re.search(r'<script type="application/json" id="evidence">(.*?)</script>', page)
    assert block is not None
    assert json.loads(block[1]) == json.loads((left / "evidence.json").read_text())


def test_the_report_needs_no_network(left: Path) -> None:
    """It loads nothing, runs nothing, and forbids both."""
    page = Page((left / "report.html").read_text())

    assert page.find_loads() == []
    assert page.find("a") == []
    assert [a["type"] for a in page.find("script")] == ["application/json"]
    policy = [a["content"] for a in page.find("meta") if a.get("http-equiv")]
    assert [str(each).startswith("default-src 'none'") for each in policy] == [True]
    assert not re.search(r"url\(|@import|https?://", page.data["style"])


def test_the_charts_have_names(left: Path) -> None:
    """Each picture says what it shows to those who do not see it."""
    page = Page((left / "report.html").read_text())
    pictures = [a for a in page.find("svg") if a.get("role") == "img"]
    titles = {a["id"] for a in page.find("title") if "id" in a}

    assert len(pictures) == 3  # the timeline, and two of the witness
    assert {a["aria-labelledby"] for a in pictures} == titles
    assert len([a for _, a in page.tags if a.get("class") == "loss"]) == 2


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_nothing_that_others_wrote_runs(tmp_path: Path, text: str) -> None:
    """Log lines, reasons, versions and configs are shown as they are."""
    folder = hostile(text, tmp_path)
    page = Page((folder / "report.html").read_text())

    assert [a["type"] for a in page.find("script")] == ["application/json"]
    assert page.find("img") == []
    assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)]
    assert text.split("\n", maxsplit=1)[0] in page.data["p"]
    assert text in page.data["pre"]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_nothing_that_others_wrote_breaks_the_markdown(tmp_path: Path, text: str) -> None:
    """Tables keep their columns, no tag is left, and a block of logs ends where it should."""
    page = (hostile(text, tmp_path) / "evidence.md").read_text()
    outside = re.sub(r"(?ms)^(`{3,}).*?^\1$", "", page)

    assert not re.search(r"<(script|img)", outside)
    assert "](javascript" not in outside.replace("\\]", "")
    for table in re.findall(r"(?m)(?:^\|.*\n)+", outside):
        columns = {row.replace("\\|", "").count("|") for row in table.splitlines()}
        assert len(columns) == 1, table


def test_a_hostile_version_stays_text(tmp_path: Path) -> None:
    """In the title, the legend and the names of the lines too."""
    facts = json.loads((Releases(tmp_path).leave() / "evidence.json").read_text())
    text = str(HOSTILE["attribute"])
    facts = json.loads(json.dumps(facts).replace('"v2"', json.dumps(text)))
    page = Page(render_report(facts, ""))

    assert page.find("img") == []
    assert text in page.data["title"]
    versions = {a["data-version"] for a in page.find("path") if "data-version" in a}
    assert versions == {"v1", text}


@pytest.mark.parametrize(
    ("outcome", "lossless", "level", "text"),
    [
        ("deployed", True, "good", "Released: no request lost"),
        ("deployed", False, "bad", "Released: 2 of 9 requests lost"),
        ("deployed", None, "warn", "Released: why not"),
        ("reverted", True, "warn", "Not released, users kept v1: no request lost"),
        ("reverted", False, "bad", "Not released, users kept v1: 2 of 9 requests lost"),
        ("failed_unsafe", True, "bad", "Failed, and a person is needed"),
        ("failed_unsafe", False, "bad", "Failed, and a person is needed: 2 of 9 requests lost"),
    ],
)
def test_a_verdict_in_words(*, outcome: str, lossless: bool | None, level: str, text: str) -> None:
    """What became of the release and of the requests."""
    facts: Any = {
        "outcome": outcome,
        "verdict": {"lossless": lossless, "text": "why not"},
        "witness": {"sent": 9, "lost": 2},
        "what": {"previous": "v1"},
    }
    headline = tell_verdict(facts)
    assert (headline.level, headline.text) == (level, text)
    assert headline.sign in "✓!✕"


def test_a_failed_release_tells_why(tmp_path: Path) -> None:
    """Reason, hint, what was undone, the last log lines; on both pages."""
    more = [
        Warned("the disk is nearly full"),
        Failed("gate", "no answer", "look at its logs", "Traceback\n  boom"),
        Undone("the candidate was removed"),
    ]
    folder = Releases(tmp_path).leave(more=more)

    for name in ("report.html", "evidence.md"):
        page = (folder / name).read_text()
        told = ("no answer", "look at its logs", "Traceback\n  boom", "candidate was removed")
        assert [words for words in (*told, "nearly full") if words not in page] == []


def test_equal_answers_at_the_gate_are_one_line(left: Path) -> None:
    """Hundreds of probes are read in a moment."""
    rows = [
        line for line in (left / "evidence.md").read_text().splitlines() if "web-green-1" in line
    ]

    assert [row.split(" | ")[1:3] for row in rows] == [["1 to 2", "200"], ["3", "200"]]


def test_evidence_of_the_first_schema_can_be_shown(left: Path) -> None:
    """`evidence show` reads it still."""
    facts = json.loads((left / "evidence.json").read_text())
    del facts["previous"], facts["witness"]["series"]

    assert "1 of 40" in render_page(facts | {"schema": 1})


def test_a_diff_is_marked_line_by_line() -> None:
    """Its head is neither added nor removed."""
    lines = ["--- a", "+++ b", "@@ -1 +1 @@", "-old", "+new", " same", ""]
    assert [mark_line(line) for line in lines] == ["place"] * 3 + ["removed", "added", "", ""]


def test_code_of_others_is_not_ended_by_itself() -> None:
    """The fence is longer than any in it."""
    assert to_code("a `b` |") == "``  a `b` ¦ ``".replace("  ", " ")
    assert to_block("```\nx") == "````\n```\nx\n````"


@pytest.mark.parametrize(("away", "told"), [(1234, True), (0, False)])
def test_real_users_who_were_told_to_come_back_are_on_the_pages(
    tmp_path: Path,
    away: int,
    told: bool,  # noqa: FBT001
) -> None:
    """Beside those who were answered; where nobody was, nothing is said of it."""
    traffic = {"requests": 0, "failed": 0, "versions": {}, "turned_away": away}
    folder = Releases(tmp_path).leave(traffic=traffic)
    for page, text in (("report.html", "1,234 more"), ("evidence.md", "1234 more")):
        said = (folder / page).read_text()
        assert (f"{text} were told to come back" in said) is told
        assert ("more were told" in said) is told
