"""The report of a real release, as a browser shows it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import unescape
from typing import TYPE_CHECKING, NamedTuple

import pytest
from PIL import Image

from orchestrator.bench.charts import draw_bench
from orchestrator.bench.compare import choose_turns
from orchestrator.bench.document import Turns
from orchestrator.catalogue.index import write_catalogue
from orchestrator.events import Failed, Warned
from tests.e2e.load import under_load
from tests.e2e.operator import IMPATIENT, wait_until
from tests.fakes.benches import HOSTILE as MARKUP
from tests.fakes.benches import leave_bench, make_document
from tests.fakes.releases import HOSTILE, Releases

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.operator import Done, Operator

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PATIENCE = 120  # seconds


class Shown(NamedTuple):
    """What a browser made of a page."""

    dom: str
    console: list[str]

    def find_paths(self, figure: str, measure: str) -> dict[str, str]:
        """Return the lines of a chart by the versions they are of."""
        (drawn,) = re.findall(rf'(?s)<figure id="{figure}">.*?</figure>', self.dom)
        paths = [tag for tag in re.findall("<path [^>]*>", drawn) if "data-version" in tag]
        return {
            unescape(read_attribute(tag, "data-version")): read_attribute(tag, "d")
            for tag in paths
            if read_attribute(tag, "data-measure") == measure
        }


def read_attribute(tag: str, name: str) -> str:
    """Return an attribute of a tag."""
    found = re.search(rf' {name}="([^"]*)"', tag)
    assert found is not None, tag
    return found[1]


def browse(page: Path, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Load a page in a browser without a screen."""
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    assert browser, "no Chromium or Chrome is on the path: `make setup`"
    return subprocess.run(
        (
            browser,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            f"--user-data-dir={folder / 'browser'}",
            "--enable-logging=stderr",
            *options,
            page.as_uri(),
        ),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )


def show(page: Path, folder: Path) -> Shown:
    """Return what a browser makes of a page."""
    done = browse(page, folder, "--virtual-time-budget=5000", "--dump-dom")
    return Shown(done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line])


def read_ground(page: Path, folder: Path, scheme: int) -> float:
    """Return how bright a page is where nothing stands, from 0 to 255; scheme 0 is dark, 1 light."""
    picture = folder / f"{scheme}.png"
    browse(
        page,
        folder,
        f"--blink-settings=preferredColorScheme={scheme}",
        "--window-size=1200,900",
        f"--screenshot={picture}",
    )
    with Image.open(picture) as taken:
        pixel = taken.convert("L").getpixel((2, 2))
    assert isinstance(pixel, int | float)
    return pixel


def show_report(app: Operator, done: Done) -> Shown:
    """Load the report that a command's document points to."""
    return show(app.folder / done.document["evidence"] / "report.html", app.folder)


def test_a_browser_shows_what_the_evidence_says(app: Operator) -> None:
    """The verdict, a point for each bucket and version, the numbers themselves, and no error."""
    with under_load(f"http://127.0.0.1:{app.public}/?load", app.folder, rate=50):
        wait_until(lambda: "?load" in app.gateway_log() or None)
        done = app.deploy("v2")

    evidence = app.evidence(done)
    shown = show_report(app, done)
    assert shown.console == []
    assert "<h1>✓ Released: no request lost</h1>" in shown.dom
    for source in ("witness", "traffic"):
        series = evidence[source]["series"]
        lines = shown.find_paths(f"{source}-requests", "requests")
        assert set(lines) == set(series["versions"]) == {"v1", "v2"}
        assert {path.count("H") for path in lines.values()} == {series["buckets"]}
        for measure in ("p50", "p95"):
            for version, path in shown.find_paths(f"{source}-latency", measure).items():
                timed = series["versions"][version][f"{measure}_ms"]
                assert len(re.findall("[ML]", path)) == sum(value is not None for value in timed)
    block = re.search(
        r'(?s)<script type="application/json" id="evidence">(.*?)</script>', shown.dom
    )
    assert block is not None
    assert json.loads(block[1]) == evidence
    assert shown.dom.count(">users moved</text>") == 5  # the timeline and four charts


def test_a_browser_shows_a_release_that_was_put_back(app: Operator) -> None:
    """What failed and why, in words; no line says that users moved."""
    app.write_stack(IMPATIENT)
    shown = show_report(app, app.deploy("sick"))

    assert shown.console == []
    assert "<h1>! Not released, users kept v1: no request lost</h1>" in shown.dom
    assert "Why it failed" in shown.dom
    assert "users moved" not in shown.dom


def test_evidence_is_verified_as_it_was_left(app: Operator) -> None:
    """After real releases, good and bad, all holds; then a byte is changed, and no more."""
    app.deploy("v2")
    rude = app.deploy("rude")
    app.write_stack(IMPATIENT)
    app.deploy("sick")

    assert app.run("evidence", "verify").stdout.endswith("4 sound\n")
    samples = app.folder / rude.document["evidence"] / "witness.jsonl"
    content = samples.read_bytes()
    samples.write_bytes(content[:-3] + bytes([content[-3] ^ 1]) + content[-2:])
    verified = app.run("evidence", "verify")
    assert verified.code == 1
    assert f"{rude.document['release']}: file changed: `witness.jsonl`" in verified.stderr


def test_a_page_of_others_is_seen_to_be_wrong(tmp_path: Path) -> None:
    """These tests can fail: a script that throws is in what the browser says."""
    page = tmp_path / "page.html"
    page.write_text("<!doctype html><h1>text</h1><script>throw new Error('boom')</script>")

    shown = show(page, tmp_path)
    assert "<h1>text</h1>" in shown.dom
    assert ["boom" in line for line in shown.console] == [True]


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_nothing_that_others_wrote_runs_in_a_browser(tmp_path: Path, text: str) -> None:
    """A log line that is a script is text; the page's title is its own, and nothing is refused."""
    traffic = {"requests": 1, "failed": 0, "versions": {text: {"2xx": 1}}}
    more = [Warned(text), Failed("gate", text, text, text)]
    left = Releases(tmp_path).leave(more=more, traffic=traffic, texts={"nginx.diff": f"+{text}"})

    shown = show(left / "report.html", tmp_path)
    assert shown.console == []
    assert "<title>web v2: Not released, users kept v1: no request lost</title>" in shown.dom
    assert "<img" not in shown.dom


def test_a_browser_shows_all_releases_and_load_tests(tmp_path: Path) -> None:
    """A row, and a picture with as many points as were measured, for each; and no error."""
    releases = Releases(tmp_path)
    left = [releases.leave(), releases.leave("v3", lost=(7,)), releases.leave(HOSTILE["attribute"])]
    documents = [make_document(bench=f"2030010{day}-000000-notes") for day in (1, 2)]
    documents.append(make_document(name=MARKUP, bench="20300103-000000-x"))
    for document in documents:
        leave_bench(tmp_path, document)
    write_catalogue(tmp_path / "reports")

    shown = show(tmp_path / "reports" / "index.html", tmp_path)
    assert shown.console == []
    assert "<h1>✕ 3 releases; 120 witness requests sent, 1 lost; 3 load tests</h1>" in shown.dom
    assert "<img" not in shown.dom
    assert shown.dom.count('<tr class="row"') == len(left) + len(documents)
    paths = re.findall('<path class="line [^>]* data-measure="([^"]*)" d="([^"]*)"', shown.dom)
    steps = [path.count("H") for measure, path in paths if measure == "requests"]
    traces = [len(re.findall("[ML]", path)) for measure, path in paths if measure == "latency"]
    evidences = [json.loads((each / "evidence.json").read_text()) for each in reversed(left)]
    assert steps == [each["witness"]["series"]["buckets"] for each in evidences]
    assert traces == [document["series"]["buckets"] for document in documents]
    assert shown.dom.count('<g class="dot"') == 2  # of the one script with more than one


@pytest.mark.parametrize("name", ["report.html", "index.html"])
def test_a_page_is_light_or_dark_as_its_reader_is(tmp_path: Path, name: str) -> None:
    """As the browser is told; both by the page's own colours."""
    left = Releases(tmp_path).leave()
    page = left / name if name == "report.html" else tmp_path / "reports" / name

    assert read_ground(page, tmp_path, 1) > 200
    assert read_ground(page, tmp_path, 0) < 60


def test_a_browser_shows_a_load_test(tmp_path: Path) -> None:
    """All figures, a point for each second, and no error."""
    versions = ["v2" if mine else "v1" for mine in choose_turns(5)]
    document = make_document(10, turns=Turns("notes", "v2", "v1", versions), slower=2.0)
    shown = show(leave_bench(tmp_path, document, draw_bench(document)) / "report.html", tmp_path)

    assert shown.console == []
    assert "<h1>✕ notes: slower than notes v1: " in shown.dom
    names = re.findall("<dt>([^<]*)</dt>", shown.dom)
    told = ["error rate", "average", "p50", "p90", "p95", "p99", "slowest"]
    assert [name for name in told if name not in names] == []
    series = document["series"]
    (steps,) = shown.find_paths("traffic-requests", "requests").values()
    assert steps.count("H") == series["buckets"]
    for measure in ("p50", "p95"):
        (trace,) = shown.find_paths("traffic-latency", measure).values()
        assert len(re.findall("[ML]", trace)) == series["buckets"]
