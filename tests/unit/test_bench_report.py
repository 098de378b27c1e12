"""What a load test leaves: a document, pages in which nothing runs, and an archive that keeps."""

from __future__ import annotations

import gzip
import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.announce.junit import bench_to_junit
from orchestrator.bench.archive import (
    BEGIN,
    END,
    HEADING,
    Archive,
    find_adjustments,
    to_json,
    write_samples,
    write_summaries,
    write_whole,
)
from orchestrator.bench.campaign import Wish, choose_load, find_exit_code
from orchestrator.bench.charts import draw_bench
from orchestrator.bench.compare import WORSE_IF, choose_turns
from orchestrator.bench.document import (
    Turns,
    add_verdict,
    compare_baseline,
    compare_previous,
    make_baseline,
)
from orchestrator.bench.report import render_page, render_report, suggest, summarize
from orchestrator.bench.script import Overrides
from orchestrator.errors import ConfigurationError, Interrupted, StackctlError
from orchestrator.pages import to_figure
from tests.fakes.benches import HOSTILE, START, make_document, make_summary
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from pathlib import Path

MISSED = make_summary("p(95)<1", ok=False)


def test_kept_thresholds_are_a_pass() -> None:
    """Exit code 0, and the verdict says so."""
    document = make_document()
    assert document["verdict"] == {"passed": True, "text": "all 1 thresholds kept"}
    assert find_exit_code(document, None) == 0
    assert document["figures"]["requests"] == 100
    assert document["checks"] == [{"name": "is 200", "passed": 99, "failed": 1}]


def test_a_missed_threshold_is_exit_6() -> None:
    """The verdict counts it, and the summary has its value."""
    document = make_document(summary=MISSED)
    assert find_exit_code(document, None) == 6
    assert document["verdict"]["text"] == "1 of 1 thresholds missed"
    assert "  MISSED http_req_duration p(95)<1: 5\n" in summarize(document)


def test_an_error_has_its_own_exit_code() -> None:
    """An interruption more than a threshold."""
    assert find_exit_code(make_document(summary=MISSED), Interrupted(2)) == 130
    document = make_document(error=StackctlError("boom", "mend it"))
    assert document["error"] == {"message": "boom", "hint": "mend it"}
    assert document["verdict"]["passed"] is False
    assert "`boom`" in render_page(document, None)


def test_all_figures_are_on_both_pages() -> None:
    """Requests, rate, failures and their share, average, percentiles, slowest."""
    document = make_document()
    found = document["figures"]
    (row,) = (
        line for line in render_page(document, None).splitlines() if line.startswith("| 100 ")
    )
    assert row == (
        f"| 100 | 1 | 1.00% | 10.0 | {found['average_ms']} ms | 5.0 ms | 5.0 ms | 5.0 ms | 5.0 ms |"
        " 250.0 ms |"
    )
    page = render_report(document, draw_bench(document))
    told = dict(re.findall(r"<dt>([^<]+)</dt><dd[^>]*>([^< ]+)", page))
    assert {name: told[name] for name in ("requests", "failed", "error rate", "slowest")} == {
        "requests": "100",
        "failed": "1",
        "error rate": "1.00%",
        "slowest": "250",
    }
    assert [told[name] for name in ("p50", "p90", "p95", "p99")] == ["5"] * 4
    assert (told["average"], told["requests a second"]) == ("7.45", "10")


def test_who_was_told_to_come_back_is_on_all_pages() -> None:
    """With a word where a threshold was missed: k6 takes them for failed."""
    document = make_document(summary=make_summary(ok=False))
    document["figures"] |= {"turned_away": 42}
    document = add_verdict(document)
    assert " 1 failed, 42 told to come back, p50" in summarize(document)
    assert document["verdict"]["text"].startswith("1 of 1 thresholds missed; 42 told to come back")
    assert "| 100 | 1 | 42 | 1.00% |" in render_page(document, None)
    assert "<dt>told to come back</dt><dd>42</dd>" in render_report(document, [])


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (0.004, "0"),
        (1.256, "1.26"),
        (37.092, "37.1"),
        (100, "100"),
        (999.94, "999.9"),
        (12405.6, "12,406"),
        (1e7, "10,000,000"),
    ],
)
def test_a_figure_has_the_digits_that_anybody_needs(number: float, text: str) -> None:
    """Large ones are never written with an exponent."""
    assert to_figure(number) == text


def test_slower_than_the_baseline_is_exit_6() -> None:
    """The comparison's verdict is part of the whole."""
    baseline = make_baseline(make_document(5), "main")
    document = add_verdict(compare_baseline(make_document(5, ms=7.0), baseline))
    assert document["comparison"]["verdict"] == "slower"
    assert document["comparison"]["runs"] == [5, 5]
    assert document["verdict"]["text"].startswith("slower than baseline main: p10 +39")
    assert find_exit_code(document, None) == 6
    assert "against baseline main: slower; p10, ms +39." in summarize(document)


@pytest.mark.parametrize(
    ("slower", "verdict", "code"), [(2.0, "slower", 6), (0.0, "same", 0), (-1.0, "faster", 0)]
)
def test_versions_that_took_turns_are_held_against_each_other(
    slower: float, verdict: str, code: int
) -> None:
    """Figures and thresholds are those of the one that is judged; all runs are told."""
    versions = ["v2" if mine else "v1" for mine in choose_turns(5)]
    turns = Turns("notes", "v2", "v1", versions)
    document = make_document(10, turns=turns, slower=slower)
    assert document["comparison"]["verdict"] == verdict
    assert document["comparison"]["against"] == "notes v1"
    assert find_exit_code(document, None) == code
    assert document["figures"]["requests"] == 500
    assert document["checks"] == [{"name": "is 200", "passed": 495, "failed": 5}]
    assert f"against notes v1: {verdict}" in summarize(document)
    page = render_page(document, None)
    assert "`notes` `v2` and `v1` took turns, 5 runs each." in page
    assert "| 2, `v1` |" in page
    assert "notes v2 and v1 took turns" in render_report(document, draw_bench(document))


def test_turns_that_broke_off_have_no_verdict() -> None:
    """Only what ended is compared; what was measured is there."""
    turns = Turns("notes", "v2", "v1", ["v2", "v1", "v1", "v2"])
    document = make_document(2, turns=turns, error=StackctlError("boom"))
    assert document["comparison"] is None
    assert document["turns"]["runs"] == ["v2", "v1"]
    assert document["figures"]["requests"] == 100


def test_the_same_is_not_slower() -> None:
    """And another script than the baseline's is told."""
    baseline = make_baseline(make_document(5), "main") | {"script": {"sha256": "1"}}
    document = add_verdict(compare_baseline(make_document(5), baseline))
    assert document["comparison"]["verdict"] == "same"
    assert document["verdict"] == {
        "passed": True,
        "text": "all 1 thresholds kept, not slower than baseline main",
    }
    assert "the script is not the one of the baseline any more" in render_page(document, None)


def test_too_few_runs_are_no_verdict() -> None:
    """It passes, and says that it proves nothing."""
    baseline = make_baseline(make_document(5), "main")
    document = add_verdict(compare_baseline(make_document(2, ms=9.0), baseline))
    assert document["verdict"] == {
        "passed": True,
        "text": "all 1 thresholds kept, undecided against baseline main: too few runs",
    }


def test_what_may_be_the_machine_is_no_verdict() -> None:
    """It passes, says which figures it was, and what tells better."""
    runs = [dict.fromkeys(WORSE_IF, value) for value in (9.4, 9.7, 10.0, 10.3, 10.6)]
    baseline = make_baseline(make_document(5), "main") | {"runs": runs}
    slower = [{name: value * 1.2 for name, value in run.items()} for run in runs]
    document = add_verdict(compare_baseline(make_document(5) | {"runs": slower}, baseline))
    told = "undecided against baseline main: p10 +20.0%, p50 +20.0%, p95 +20.0%, rate +20.0%"
    assert document["verdict"] == {
        "passed": True,
        "text": f"all 1 thresholds kept, {told} may be the machine itself;"
        " let the versions take turns (--alternate)",
    }
    assert f'<skipped message="{document["comparison"]["doubt"]}"' in bench_to_junit(document)


def test_a_test_that_broke_off_is_compared_with_nothing() -> None:
    """Half a run says nothing of the whole."""
    broken = make_document(error=StackctlError("boom"))
    baseline = make_baseline(make_document(5), "main")
    assert compare_baseline(broken, baseline)["comparison"] is None
    assert compare_previous(broken, make_document())["previous"] is None


def test_the_last_test_of_the_script_is_told() -> None:
    """For information: no verdict comes of it."""
    document = add_verdict(compare_previous(make_document(ms=10.0), make_document()))
    assert document["verdict"]["passed"] is True
    changes = {each["figure"]: each["change"] for each in document["previous"]["changes"]}
    assert (changes["p50_ms"], changes["rate"], changes["error_rate"]) == (1.0, 0.0, 0.0)
    assert document["previous"]["same_load"] is True
    assert "since 20300101-000000-notes: requests/s +0.0%" in summarize(document)


def test_a_prompt_is_drawn_from_the_figures() -> None:
    """The nearest threshold, a far p99, and failures."""
    prompt = suggest(make_document())
    assert "`http_req_duration` `p(95)<10`: 50% of it is used" in prompt
    assert "1 of 100 requests failed" in prompt
    calm = make_document()
    calm["figures"] |= {"failed": 0, "p95_ms": 5.0, "p99_ms": 20.0}
    assert "p99 (20 ms) is 4.0 times p95 (5 ms)" in suggest(calm)
    calm["figures"]["p99_ms"] = 5.0
    assert "No threshold and no figure stands out." in suggest(calm | {"thresholds": []})


@pytest.fixture
def hostile() -> dict[str, Any]:
    """Return a document with markup wherever others can put text."""
    summary = make_summary(check=HOSTILE)
    summary["metrics"][HOSTILE] = summary["metrics"].pop("http_req_duration")
    document = make_document(summary=summary, error=StackctlError(HOSTILE, HOSTILE))
    document["script"]["file"] = HOSTILE
    document["environment"]["services"] = [
        {"name": HOSTILE, "version": HOSTILE, "color": "blue", "healthy": 1, "wanted": 2}
    ]
    return document


def test_nothing_in_the_page_for_a_browser_runs(hostile: dict[str, Any]) -> None:
    """Names of others are escaped, nothing is loaded, and the data can be read back."""
    page = render_report(hostile, draw_bench(hostile))
    assert page.count("<script") == 1
    assert "alert(1)</script>" not in page
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)=\"(?!data:)", page)
    assert 'data-measure="p95"' in page
    data = page.partition('id="bench">')[2].partition("</script>")[0]
    assert json.loads(data) == hostile


def test_nothing_in_the_page_for_a_repository_is_markup(hostile: dict[str, Any]) -> None:
    """Names of others are code that they cannot end; no table row is broken."""
    page = render_page(hostile, suggest(hostile))
    outside = re.sub(r"`[^`\n]*`", "", page)
    assert "<script>" not in outside
    assert "alert" not in outside
    assert all(line.endswith("|") for line in page.splitlines() if line.startswith("|"))
    assert "\x1b" not in summarize(hostile | {"report": ""})


def test_the_charts_have_a_line_for_each_part() -> None:
    """Rates and latencies, and where users moved if there was a release."""
    document = make_document()
    requests, latency = draw_bench(document)
    assert [lane.name for lane in requests.lanes] == ["load"]
    assert [line.measure for line in latency.lines] == ["p50", "p95"]
    assert requests.switch is None
    released = document | {"release": {"promoted": "2030-01-01T00:00:05.000+00:00"}}
    assert draw_bench(released)[0].switch is not None


def test_what_a_person_wrote_is_kept() -> None:
    """Between the markers to the letter, also where the text looks like a marker."""
    text = f"We added an index.\n\n## Why\n\n| a |\n{END}\nmore"
    page = render_page(make_document(), text)
    assert find_adjustments(page) == text
    again = render_page(make_document(ms=9.0), find_adjustments(page))
    assert find_adjustments(again) == text
    assert again != page


@pytest.mark.parametrize(
    ("page", "kept"),
    [
        (f"# a\n{HEADING}\n\nWe did.\n", "We did."),
        (f"# a\n{HEADING}\n\n{BEGIN}\nWe did.\n", "We did."),
        ("# a\n", None),
    ],
    ids=["no_markers", "one_marker", "no_section"],
)
def test_lost_markers_lose_no_text(page: str, kept: str | None) -> None:
    """Then what stands under the heading is kept."""
    assert find_adjustments(page) == kept


def test_an_archive_has_a_folder_for_each_test(tmp_path: Path) -> None:
    """By time and script; two in one second are two."""
    archive = Archive(tmp_path)
    names = [archive.open("notes", START).name for _ in range(2)]
    assert names == ["20300101-000000-notes", "20300101-000000-notes-2"]


def test_a_reports_folder_that_cannot_be_is_told(tmp_path: Path) -> None:
    """Before there is any load."""
    (tmp_path / "reports").write_text("")
    with pytest.raises(StackctlError, match="no report can be written to `reports/bench`"):
        Archive(tmp_path).open("notes", FakeClock().now())


def test_the_previous_test_is_the_newest_whole_one(tmp_path: Path) -> None:
    """Of the same script, before this one; what cannot be read is passed over."""
    archive = Archive(tmp_path)
    for name, left in (
        ("20300101-000001-notes", make_document(bench="old")),
        ("20300101-000002-notes", make_document(bench="wanted")),
        ("20300101-000003-notes", make_document(error=StackctlError("boom"))),
        ("20300101-000004-auth", make_document(name="auth")),
        ("20300101-000005-notes", {"schema": 99}),
        ("20300101-000009-notes", make_document(bench="later")),
    ):
        folder = tmp_path / "reports" / "bench" / name
        folder.mkdir(parents=True)
        write_whole(folder / "bench.json", to_json(left))
    found = archive.find_previous("notes", "20300101-000008-notes")
    assert found is not None
    assert found["bench"] == "wanted"
    assert archive.find_previous("other", "2") is None


def test_a_baseline_is_read_as_it_was_saved(tmp_path: Path) -> None:
    """Under its name, which is one; another name lists what there is."""
    archive = Archive(tmp_path)
    baseline = make_baseline(make_document(5), "main")
    archive.save_baseline("notes", "main", baseline)
    assert archive.read_baseline("notes", "main") == json.loads(json.dumps(baseline))
    with pytest.raises(ConfigurationError) as caught:
        archive.read_baseline("notes", "other")
    assert caught.value.hint is not None
    assert "`main`" in caught.value.hint
    with pytest.raises(ConfigurationError, match="is no name for a baseline"):
        archive.read_baseline("notes", "../main")


def damage(document: Any, place: str, value: object) -> Any:
    """Return a document with another value at a dotted place."""
    copy = inner = json.loads(json.dumps(document))
    *way, last = place.split(".")
    for part in way:
        inner = inner[int(part) if part.isdecimal() else part]
    inner[last] = value
    return copy


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("figures", None),
        ("figures.rate", None),
        ("figures.p99_ms", "fast"),
        ("figures.p95_ms", float("nan")),
        ("script", []),
        ("script.sha256", None),
        ("bench", 5),
        ("overrides", None),
        ("outcome", {}),
    ],
)
def test_a_load_test_that_none_has_left_is_passed_over(
    tmp_path: Path, place: str, value: object
) -> None:
    """It would end the next one after all of its load, with nothing kept."""
    folder = tmp_path / "reports" / "bench" / "20300101-000001-notes"
    folder.mkdir(parents=True)
    write_whole(folder / "bench.json", to_json(damage(make_document(), place, value)))
    assert Archive(tmp_path).find_previous("notes", "3") is None


@pytest.mark.parametrize(
    ("place", "value"),
    [
        ("name", None),
        ("bench", None),
        ("script", None),
        ("overrides", [1]),
        ("overrides.vus", "many"),
        ("overrides.other", 1),
        ("runs", []),
        ("runs", {"rate": 1}),
        ("runs.0.rate", None),
        ("runs.0.p50_ms", float("inf")),
        ("runs.0.p50_ms", 10**400),
        ("runs.0", {}),
    ],
)
def test_a_baseline_that_nobody_has_saved_is_refused(
    tmp_path: Path, place: str, value: object
) -> None:
    """Before there is any load."""
    archive = Archive(tmp_path)
    baseline = damage(make_baseline(make_document(5), "main"), "name", "main")
    if place == "runs.0":
        baseline["runs"][0] = value
    else:
        baseline = damage(baseline, place, value)
    archive.save_baseline("notes", "main", baseline)
    with pytest.raises(ConfigurationError, match="the baseline `main` of `notes` is none"):
        archive.read_baseline("notes", "main")


def test_the_newest_report_has_its_place(tmp_path: Path) -> None:
    """`test` is the one without a name."""
    archive = Archive(tmp_path)
    archive.open("test", START)
    for script, name in (("test", "k6-report.md"), ("notes", "k6-notes-report.md")):
        assert archive.read_adjustments(script) is None
        archive.write_newest(script, render_page(make_document(), "mine"))
        assert (tmp_path / "reports" / name).exists()
        assert archive.read_adjustments(script) == "mine"


def test_raw_points_and_summaries_are_kept(tmp_path: Path) -> None:
    """One row a second, and one file a run."""
    document = make_document()
    write_samples(tmp_path / "samples.csv.gz", document["series"])
    rows = gzip.decompress((tmp_path / "samples.csv.gz").read_bytes()).decode().splitlines()
    assert rows[:2] == [
        "second,lane,requests,rate,failed,p50_ms,p95_ms",
        "0,load,10,10.0,0,5.0,5.0",
    ]
    assert len(rows) == 1 + document["series"]["buckets"]
    write_summaries(tmp_path, [make_summary(), MISSED])
    assert json.loads((tmp_path / "summary-2.json").read_text()) == MISSED
    assert json.loads((tmp_path / "summary.json").read_text()) == make_summary()


def test_a_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """With a hint, and nothing half-written stays."""
    (tmp_path / "bench.json").mkdir()
    with pytest.raises(StackctlError, match=r"/bench.json` cannot be written"):
        write_whole(tmp_path / "bench.json", "{}")
    assert [path.name for path in tmp_path.iterdir()] == ["bench.json"]


def test_json_keeps_lists_of_numbers_on_one_line() -> None:
    """And leaves texts as they are."""
    facts: dict[str, Any] = {"a": [1, None, 2.5], "b": "[\n 1,  2]", "c": [{"d": []}]}
    text = to_json(facts)
    assert json.loads(text) == facts
    assert '"a": [ 1, null, 2.5 ]' in text


def test_like_is_compared_with_like() -> None:
    """The baseline's load is taken over; another one is refused."""
    baseline = {"name": "main", "overrides": {"vus": 3, "duration": "10s", "rate": None}}
    wish = Wish("notes", Overrides(), against="main")
    assert choose_load(wish, baseline) == Overrides(3, "10s", None)
    assert choose_load(Wish("notes", Overrides(vus=3), against="main"), baseline).rate is None
    with pytest.raises(ConfigurationError, match="made with vus 3, not 4"):
        choose_load(Wish("notes", Overrides(vus=4), against="main"), baseline)


def test_a_baseline_is_of_short_runs() -> None:
    """Unless the command line says how many or how long."""
    assert choose_load(Wish("a", Overrides(), save="main"), None).duration == "3s"
    assert choose_load(Wish("a", Overrides(), runs=2, save="main"), None).duration is None
    assert choose_load(Wish("a", Overrides(duration="1s"), save="main"), None).duration == "1s"
