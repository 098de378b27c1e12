"""The page of all releases and load tests: nothing left out, nothing read twice, nothing runs."""

from __future__ import annotations

import json
import os
import re
import shutil
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import pytest

from orchestrator.bench.campaign import Campaign, Wish
from orchestrator.bench.script import Overrides
from orchestrator.catalogue.index import write_catalogue
from orchestrator.catalogue.page import SCHEMA, find_rows, render_catalogue
from orchestrator.catalogue.rows import BENCH, RELEASE, read_row
from orchestrator.clock import SystemClock
from orchestrator.errors import StackctlError
from orchestrator.events import Failed
from tests.fakes.benches import HOSTILE as MARKUP
from tests.fakes.benches import leave_bench, make_document, make_summary
from tests.fakes.markup import Page
from tests.fakes.releases import HOSTILE, Releases
from tests.fakes.server import GOOD, serving
from tests.fakes.world import World

if TYPE_CHECKING:
    from pathlib import Path

SCRIPT = """
import http from 'k6/http';
export const options = { vus: 1, iterations: 3, thresholds: { http_reqs: ['count>2'] } };
export default function () { http.get(__ENV.BASE_URL); }
"""
SERIES = {
    "requests": [10, 30, 0],
    "failed": [0, 1, 0],
    "p50_ms": [1.0, 1.0, None],
    "p95_ms": [2.0, 4.0, None],
}


def read_page(folder: Path) -> str:
    """Return the page of a folder, written anew."""
    write_catalogue(folder / "reports")
    return (folder / "reports" / "index.html").read_text()


def read_rows(folder: Path) -> dict[str, list[Any]]:
    """Return the data in the page of a folder, written anew."""
    return find_rows(read_page(folder))


def fill(folder: Path) -> list[Path]:
    """Leave two releases, of which the second lost a request, and two load tests."""
    releases = Releases(folder)
    missed = make_summary("p(95)<1", ok=False)
    return [
        releases.leave("v2"),
        releases.leave("v3", lost=(7,)),
        leave_bench(folder, make_document(bench="20300101-000000-notes")),
        leave_bench(folder, make_document(bench="20300102-000000-notes", summary=missed)),
    ]


def replace_texts(facts: Any, text: str) -> Any:
    """Return facts in which all texts are another one; times stay times."""
    if isinstance(facts, dict):
        return {name: replace_texts(fact, text) for name, fact in facts.items()}
    if isinstance(facts, list):
        return [replace_texts(fact, text) for fact in facts]
    is_time = isinstance(facts, str) and re.match(r"\d{4}-\d\d-\d\dT", facts)
    return text if isinstance(facts, str) and not is_time else facts


def test_every_release_writes_the_page(tmp_path: Path) -> None:
    """Beside the table for a repository; the newest release is the first row."""
    Releases(tmp_path).leave("v1")
    releases = Releases(tmp_path)
    releases.clock.sleep(60)
    releases.leave("v2", lost=(7,), more=[Failed("gate", "no answer", "", "")])

    rows = find_rows((tmp_path / "reports" / "index.html").read_text())["releases"]
    assert [row["version"] for row in rows] == ["v2", "v1"]
    assert [(row["outcome"], row["lossless"]) for row in rows] == [
        ("reverted", False),
        ("deployed", True),
    ]
    assert [(row["sent"], row["lost"], row["previous"]) for row in rows] == [
        (40, 1, "v1"),
        (40, 0, "v1"),
    ]


def test_a_row_is_what_the_documents_say(tmp_path: Path) -> None:
    """In words and figures that a person reads; each leads to a report that is there."""
    left = fill(tmp_path)
    text = read_page(tmp_path)
    page = Page(text)

    places = [tmp_path / "reports" / unquote(str(a["href"])) for a in page.find("a")]
    assert [place.parent for place in places] == [left[1], left[0], left[3], left[2]]
    assert [place.name for place in places] == ["report.html"] * 4
    assert all(place.exists() for place in places)
    assert text.count('<tr class="row"') == 4
    for told in ("v1 → v3", "✕ deployed", "✓ deployed", "402 ms", "8.0 s", "2030-01-01 00:01:00"):
        assert f">{told}</td>" in text
    for told in ("✓ all 1 thresholds kept", "✕ 1 of 1 thresholds missed", "10.0", "5 ms", "1.00%"):
        assert f">{told}</td>" in text


@pytest.mark.parametrize(
    ("lost", "heading"),
    [
        ((), "✓ 1 release; 40 witness requests sent, 0 lost; no load test"),
        ((1, 2), "✕ 1 release; 40 witness requests sent, 2 lost; no load test"),
    ],
)
def test_the_head_counts(tmp_path: Path, lost: tuple[int, ...], heading: str) -> None:
    """Releases, requests and load tests; one lost request is what is seen first."""
    Releases(tmp_path).leave(lost=lost)

    assert f"<h1>{heading}</h1>" in read_page(tmp_path)


def test_an_empty_folder_says_so(tmp_path: Path) -> None:
    """In one line each."""
    (tmp_path / "reports").mkdir()
    text = read_page(tmp_path)

    assert "<h1>! no release; no witness request sent; no load test</h1>" in text
    assert ("No release yet:" in text, "No load test yet:" in text) == (True, True)
    assert "<table" not in text
    assert find_rows(text) == {"releases": [], "benches": []}


def test_the_page_needs_no_network(tmp_path: Path) -> None:
    """It loads nothing, runs nothing, and forbids both; it names no place of a machine."""
    fill(tmp_path)
    text = read_page(tmp_path)
    page = Page(text)

    assert page.find_loads() == []
    assert [a["type"] for a in page.find("script")] == ["application/json"]
    policy = [a["content"] for a in page.find("meta") if a.get("http-equiv")]
    assert [str(each).startswith("default-src 'none'") for each in policy] == [True]
    assert not re.search(r"url\(|@import|https?://", text)
    assert str(tmp_path) not in text


def test_every_picture_has_a_name(tmp_path: Path) -> None:
    """For those who do not see it."""
    fill(tmp_path)
    pictures = re.findall(r"<svg[^>]*role=\"img\">\s*<title>([^<]+)", read_page(tmp_path))

    assert len(pictures) == 5
    assert "users moved after 6.0 s; requests failed at 1 of 8 points" in pictures[0]
    assert "20300102-000000-notes: p95 5 ms, 1 thresholds missed" in pictures[2]
    assert pictures[3] == "p95 over 10 s, from 5 to 250 ms"


def test_what_is_known_is_not_read_again(tmp_path: Path) -> None:
    """Whatever stands there by now; only another schema has all read anew."""
    left = fill(tmp_path)
    before = read_page(tmp_path)
    for folder in left:
        for document in folder.glob("*.json"):
            document.write_text("garbage")
    assert read_page(tmp_path) == before

    index = tmp_path / "reports" / "index.html"
    index.write_text(before.replace(f'{{"schema": {SCHEMA},', f'{{"schema": {SCHEMA + 1},'))
    assert read_rows(tmp_path) == {"releases": [], "benches": []}


@pytest.mark.parametrize(
    "damage",
    [
        lambda _: b"",
        lambda _: b"\xff\xfe",
        lambda page: page[: page.index(b'"benches"')],
        lambda page: page.replace(b'"sent": 40', b'"sent": "many"'),
        lambda page: page.replace(b'"series": {', b'"series": [{', 1),
        lambda page: page.replace(b'"releases": [', b"<<<<<<<\n", 1),
        lambda _: b'<script type="application/json" id="rows">[1]</script>',
        lambda _: b'<script type="application/json" id="rows">' + b"[" * 99999 + b"</script>",
    ],
    ids=["empty", "no_text", "cut", "type", "no_json", "conflict", "shape", "deep"],
)
def test_a_damaged_page_is_made_anew(tmp_path: Path, damage: Any) -> None:
    """From what lies there, as if there had been none."""
    fill(tmp_path)
    index = tmp_path / "reports" / "index.html"
    whole = read_page(tmp_path)
    index.write_bytes(damage(whole.encode()))

    assert read_page(tmp_path) == whole


def test_a_page_of_another_writer_is_completed(tmp_path: Path) -> None:
    """Of two that write at once one is not seen by the other: the next one lists both."""
    releases = Releases(tmp_path)
    releases.leave("v1")
    index = tmp_path / "reports" / "index.html"
    before = index.read_text()
    releases.leave("v2")
    index.write_text(before)
    releases.leave("v3")

    assert [row["version"] for row in read_rows(tmp_path)["releases"]] == ["v3", "v2", "v1"]


def test_what_is_gone_is_not_listed(tmp_path: Path) -> None:
    """A release or a load test whose folder was removed leaves the page at the next write."""
    left = fill(tmp_path)
    read_page(tmp_path)
    for folder in (left[0], left[2]):
        shutil.rmtree(folder)

    rows = read_rows(tmp_path)
    assert [row["id"] for name in ("releases", "benches") for row in rows[name]] == [
        left[1].name,
        left[3].name,
    ]


def test_a_document_without_its_page_is_linked_itself(tmp_path: Path) -> None:
    """A link that leads nowhere would say that nothing was left."""
    for folder in fill(tmp_path):
        (folder / "report.html").unlink()
    (tmp_path / "reports" / "index.html").unlink()

    names = [str(a["href"]).rpartition("/")[2] for a in Page(read_page(tmp_path)).find("a")]
    assert names == ["evidence.md", "evidence.md", "bench.json", "bench.json"]


@pytest.mark.parametrize("text", [*HOSTILE.values(), MARKUP], ids=[*HOSTILE, "markup"])
def test_nothing_that_others_wrote_runs(tmp_path: Path, text: str) -> None:
    """Names, versions, outcomes, verdicts, folders: all are shown as they are."""
    left = fill(tmp_path)
    for folder, name in ((left[0], "evidence.json"), (left[2], "bench.json")):
        facts = replace_texts(json.loads((folder / name).read_text()), text)
        (folder / name).write_text(json.dumps(facts))
        folder.rename(folder.with_name(text.replace("/", " ")))
    page = Page(read_page(tmp_path))

    assert [a["type"] for a in page.find("script")] == ["application/json"]
    assert page.find("img") == []
    assert not [a for _, a in page.tags if any(name.startswith("on") for name in a)]
    assert text in page.data["h3"]
    for link in page.find("a"):
        assert (tmp_path / "reports" / unquote(str(link["href"]))).exists()
    rows = read_rows(tmp_path)
    assert text in {row["service"] for row in rows["releases"]}
    assert text in {row["text"] for row in rows["benches"]}


@pytest.mark.parametrize(
    "value",
    [None, True, -1, 1e300, float("nan"), float("inf"), 10**400, "x", "\ud800", [], [-1], {}],
    ids=str,
)
def test_one_strange_value_breaks_nothing(tmp_path: Path, value: object) -> None:
    """Wherever it stands: the document is passed over, or shown with what is in it."""
    for folder, kind in zip(fill(tmp_path)[1:3], (RELEASE, BENCH), strict=True):
        whole = json.loads((folder / kind.document).read_text())
        broken = [{**whole, name: value} for name in whole] + [
            {**whole, name: {**part, inner: value}}
            for name, part in whole.items()
            if isinstance(part, dict)
            for inner in part
        ]
        place = {"id": folder.name, "page": "report.html"}
        read = [row for facts in broken if (row := read_row(kind, facts, place))]
        releases, benches = (read, []) if kind is RELEASE else ([], read)
        page = render_catalogue(releases, benches)
        assert 0 < len(Page(page).find("a")) == len(read) < len(broken)
        assert find_rows(page) == {"releases": releases, "benches": benches}


def leave_series(folder: Path, **series: Any) -> dict[str, Any]:
    """Leave a release with given series; return its row."""
    path = Releases(folder).leave() / "evidence.json"
    evidence = json.loads(path.read_text())
    for name, versions in series.items():
        buckets = max((len(v["requests"]) for v in versions.values()), default=0)
        drawn = {"start": 0.0, "seconds": 2, "buckets": buckets, "versions": versions}
        evidence[name] = {**(evidence[name] or {}), "series": drawn}
    path.write_text(json.dumps(evidence))
    (folder / "reports" / "index.html").unlink()
    return dict(read_rows(folder)["releases"][0]["series"])


def test_versions_are_taken_together(tmp_path: Path) -> None:
    """Requests a second of real clients; what failed, also for the witness, has its mark."""
    calm = {**SERIES, "failed": [0, 0, 0]}
    lossy = {**SERIES, "failed": [1, 0, 0]}
    row = leave_series(tmp_path, traffic={"v1": SERIES, "v2": calm}, witness={"v1": lossy})

    assert row["values"] == [10.0, 30.0, 0.0]
    assert (row["seconds"], row["failed"], row["switch"]) == (2.0, [0, 1], 6.0)


def test_the_witness_stands_in_for_clients(tmp_path: Path) -> None:
    """Where none came; without either there is no picture."""
    row = leave_series(tmp_path, traffic={}, witness={"v1": SERIES})

    assert row["values"] == [5.0, 15.0, 0.0]


def test_a_long_series_is_drawn_with_fewer_points(tmp_path: Path) -> None:
    """Rates are averages of as many steps, a failure stays where it was."""
    many = {"requests": [20] * 500, "failed": [0] * 499 + [1], "p50_ms": [], "p95_ms": []}
    row = leave_series(tmp_path, traffic={"v1": many})

    assert (len(row["values"]), set(row["values"])) == (100, {10.0})
    assert (row["seconds"], row["failed"]) == (10.0, [99])


def test_a_release_is_drawn_to_scale(tmp_path: Path) -> None:
    """One step a value, the highest at the top; the switch and losses at their times."""
    leave_series(tmp_path, traffic={"v1": {**SERIES, "requests": [10, 30, 0], "failed": [0, 1, 0]}})
    text = (tmp_path / "reports" / "index.html").read_text()

    assert 'd="M0 31V21.67H53.33V3H106.67V31H160V31"' in text
    assert '<line class="switch" x1="160.0"' in text  # 6 of 6 seconds
    assert [a["x1"] for t, a in Page(text).tags if t == "line" and "class" not in a] == ["80.0"]


def test_a_load_test_is_drawn_with_its_gaps(tmp_path: Path) -> None:
    """The highest p95 of what went on at once; where nothing was measured there is no line."""
    document = make_document()
    other = {**SERIES, "p95_ms": [1.0, None, None, 8.0]}
    own = {**SERIES, "p95_ms": [2.0, 4.0, None, 2.0]}
    document["series"] |= {"seconds": 1, "buckets": 4, "versions": {"a": own, "b": other}}
    leave_bench(tmp_path, document)
    text = read_page(tmp_path)

    row = find_rows(text)["benches"][0]
    assert row["series"]["values"] == [2.0, 4.0, None, 8.0]
    assert 'd="M20 24h0L60 17M140 3h0"' in text


def test_a_trend_has_a_dot_for_each_load_test(tmp_path: Path) -> None:
    """The oldest first; a missed threshold is red and crossed, and one without answers has none."""
    for day, ms in enumerate((10.0, 30.0, 20.0), start=1):
        summary = make_summary(ok=ms < 30)
        document = make_document(bench=f"2030010{day}-000000-notes", ms=ms, summary=summary)
        leave_bench(tmp_path, document)
    silent = make_document(bench="20300104-000000-notes", error=StackctlError("boom"))
    silent["figures"] |= {"requests": 0, "p95_ms": 0.0}
    silent["series"] |= {"buckets": 0, "versions": {}}
    leave_bench(tmp_path, silent)
    leave_bench(tmp_path, make_document(name="auth", bench="20300105-000000-auth"))
    text = read_page(tmp_path)

    auth, notes = re.findall(r'(?s)<section class="script">.*?</section>', text)
    assert ("<h3>auth</h3>" in auth, "<h3>notes</h3>" in notes) == (True, True)
    dots = re.findall(r'<g class="(dot[^"]*)"><title>([^:]+).*?cx="([^"]+)" cy="([^"]+)"', notes)
    assert [(style, name[:8]) for style, name, _, _ in dots] == [
        ("dot", "20300101"),
        ("dot loss", "20300102"),
        ("dot", "20300103"),
    ]
    assert [float(across) for _, _, across, _ in dots] == [165.0, 383.0, 601.0]
    assert [float(up) for *_, up in dots] == [98.0, 30.0, 64.0]
    assert notes.count('<tr class="row"') == 4
    assert "<figure" not in auth  # one load test is no trend


def test_a_page_that_cannot_be_written_fails_no_release(tmp_path: Path) -> None:
    """It is a warning, and nothing half-written stays."""
    (tmp_path / "reports" / "index.html").mkdir(parents=True)
    world = World(tmp_path)
    world.up()
    result = world.deploy("v2")

    assert (result.outcome, world.serving()) == ("deployed", {"v2"})
    assert [w for w in result.warnings if "`reports/index.html` cannot be written" in w]
    assert {path.name for path in (tmp_path / "reports").iterdir()} == {
        "EVIDENCE_ZERO_DOWNTIME.md",
        "index.html",
        "releases",
    }


def run_bench(folder: Path) -> tuple[dict[str, Any], StackctlError | None]:
    """Run the real k6 against a little server; return what was measured and what went wrong."""
    (folder / "test.js").write_text(SCRIPT)
    with serving(lambda request: request.answer(GOOD)) as server:
        around = {"PATH": os.environ["PATH"]}
        wish = Wish("test.js", Overrides())
        campaign = Campaign(folder, wish, server.address, around, SystemClock())
        return campaign.run([], lambda _: None)


def test_every_load_test_writes_the_page(tmp_path: Path) -> None:
    """One that cannot be written leaves all figures, as a full disk does."""
    document, error = run_bench(tmp_path)
    index = tmp_path / "reports" / "index.html"
    assert error is None
    assert [row["id"] for row in find_rows(index.read_text())["benches"]] == [document["bench"]]

    index.unlink()
    index.mkdir()
    document, error = run_bench(tmp_path)
    assert error is not None
    assert "`reports/index.html` cannot be written" in error.message
    assert document["figures"]["requests"] == 3
    assert (tmp_path / "reports" / "bench" / document["bench"] / "report.html").exists()
