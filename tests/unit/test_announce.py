"""What others are told of a release, and that nobody's deafness fails one."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import httpx
import pytest

from orchestrator.announce.announcement import Announcement
from orchestrator.announce.junit import bench_to_junit, to_junit
from orchestrator.announce.markers import (
    GitHubMarkers,
    GitLabMarkers,
    NoMarkers,
    choose_markers,
    grouped,
    in_ci,
)
from orchestrator.announce.metrics import to_metrics
from orchestrator.announce.objectives import tell_objectives
from orchestrator.errors import StackctlError
from orchestrator.events import Warned
from orchestrator.release.result import find_gravest
from tests.fakes.apps import App
from tests.fakes.benches import make_document, make_summary
from tests.fakes.units import UnitWorld
from tests.fakes.world import World, open_pair
from tests.outputs import read_outputs

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from orchestrator.release.result import Result

WEBHOOK = "http://127.0.0.1:9/hook?secret=abc"


class Listener:
    """The other end of a webhook."""

    def __init__(self, status: int = 200) -> None:
        self.heard: list[dict[str, Any]] = []
        self._status = status

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Take a message."""
        self.heard.append(json.loads(request.content))
        return httpx.Response(self._status)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack that serves v1, tells a webhook and writes metrics."""
    world = World(tmp_path, notify={"webhook": "HOOK", "metrics": "releases.prom"})
    world.variables["HOOK"] = WEBHOOK
    world.up()
    world.events.clear()
    return world


def announce(
    world: World,
    result: Result,
    listener: Listener | None = None,
    junit: Path | None = None,
    everything: Sequence[Result] = (),
    **environment: str,
) -> list[str]:
    """Tell of a result; return the warnings that led to."""
    transport = httpx.MockTransport(listener or Listener())
    Announcement(world.house, result, environment, transport, everything).tell(junit)
    return [event.text for event in world.events if isinstance(event, Warned)]


def test_a_webhook_gets_fields_and_a_sentence(world: World) -> None:
    """For programs and for people."""
    listener = Listener()
    assert announce(world, world.deploy("v2"), listener) == []
    (message,) = listener.heard
    assert message["text"] == "shop: notes v2 deployed"
    assert (message["stack"], message["outcome"], message["version"]) == ("shop", "deployed", "v2")
    assert message["release"].endswith("-notes-v2")


def test_a_failed_release_says_why(world: World) -> None:
    """The reason is in the sentence."""
    world.host.apps["v2"] = App(crashes=True)
    listener = Listener()
    announce(world, world.deploy("v2"), listener)
    assert "reverted: " in listener.heard[0]["text"]
    assert "crashed at start" in listener.heard[0]["text"]


def test_a_chat_room_is_not_called_together(world: World) -> None:
    """What others wrote is text there: no link, and no call to everybody."""
    listener = Listener()
    failed = replace(world.deploy("v2"), error=StackctlError("<!channel> & <https://a|b>"))
    announce(world, failed, listener)
    assert listener.heard[0]["text"].endswith("&lt;!channel&gt; &amp; &lt;https://a|b&gt;")


@pytest.mark.parametrize("status", [302, 404, 500])
def test_a_webhook_that_refuses_is_a_warning(world: World, status: int) -> None:
    """The URL, which may hold a secret, is not in it."""
    (warning,) = announce(world, world.deploy("v2"), Listener(status))
    assert warning == f"the webhook's message: the webhook answered {status}"


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/x", "no url", "http://[::bad", ""])
def test_a_webhook_that_cannot_be_reached_is_at_most_a_warning(world: World, url: str) -> None:
    """Nothing at all where no URL is set."""
    world.variables["HOOK"] = url

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    result = world.deploy("v2")
    Announcement(world.house, result, {}, httpx.MockTransport(refuse)).tell()
    warnings = [event.text for event in world.events if isinstance(event, Warned)]
    assert len(warnings) == (1 if url else 0)
    assert not any("127.0.0.1" in warning for warning in warnings)


def test_metrics_count_what_evidence_tells(world: World) -> None:
    """One line a service and outcome, and the last release of each service."""
    world.deploy("v2")
    world.host.apps["v3"] = App(crashes=True)
    announce(world, world.deploy("v3"))
    lines = (world.folder / "releases.prom").read_text().splitlines()
    assert 'stackctl_release_total{stack="shop",service="notes",outcome="deployed"} 2' in lines
    assert 'stackctl_release_total{stack="shop",service="notes",outcome="reverted"} 1' in lines
    last = [line for line in lines if line.startswith("stackctl_release_requests_lost{")]
    assert last == [
        'stackctl_release_requests_lost{stack="shop",service="notes",version="v3",outcome="reverted"} 0'
    ]
    assert sum(line.startswith("# TYPE ") for line in lines) == 9


def test_labels_of_metrics_are_escaped() -> None:
    """A quote in a value ends no label."""
    evidence = {
        "what": {"service": 'a"b\\c', "version": "v1"},
        "outcome": "deployed",
        "when": {"ended": "2030-01-01T00:00:00+00:00", "seconds": 1.5},
        "witness": {"sent": 3, "lost": 0},
    }
    text = to_metrics("shop", [evidence])
    assert 'service="a\\"b\\\\c"' in text
    assert " 1893456000.000\n" in text


def test_junit_names_phases_gates_and_the_promise(world: World, tmp_path: Path) -> None:
    """What went well is a passed case; no version was serving before, so the promise is skipped."""
    file = tmp_path / "junit.xml"
    assert announce(world, world.deploy("v2"), junit=file) == []
    suite = ET.parse(file).getroot()  # noqa: S314  our own file
    cases = {(case.get("classname"), case.get("name")): case for case in suite}
    assert ("stackctl.phase", "promote") in cases
    assert ("stackctl.gate", "shop-notes-green-2") in cases
    assert cases["stackctl.slo", "no request is lost"].find("skipped") is not None
    assert (suite.get("failures"), suite.get("tests")) == ("0", str(len(cases)))


def test_junit_of_a_load_test_names_its_objectives() -> None:
    """Each threshold, the comparison, and that it came to its end."""
    good = make_document()
    cases = read_cases(bench_to_junit(good))
    assert cases == {"the load test came to its end": True, "http_req_duration p(95)<10": True}

    bad = make_document(
        summary=make_summary(ok=False), error=StackctlError("k6 was killed", "look \x00 there")
    )
    comparison = {"against": "baseline v1", "verdict": "slower"}
    release = {"service": "web", "version": "v2", "exit_code": 1, "seconds": 3.0}
    release |= {"outcome": "reverted", "error": None}
    told = bench_to_junit(bad | {"comparison": comparison, "release": release})
    assert set(read_cases(told).values()) == {False}
    assert set(read_cases(told)) >= {"not slower than baseline v1", "the release of web v2"}


def read_cases(text: str) -> dict[str, bool]:
    """Return which test cases of a JUnit report have passed."""
    suite = ET.fromstring(text.encode())  # noqa: S314  our own text
    assert suite.get("failures") == str(len(suite.findall("testcase/failure")))
    return {str(case.get("name")): case.find("failure") is None for case in suite}


def test_junit_says_what_failed(world: World, tmp_path: Path) -> None:
    """The phase, and the replica whose gate did not open."""
    world.host.apps["v2"] = App(healthy_after=1e9, prints=("no \x00 database",))
    file = tmp_path / "junit.xml"
    announce(world, world.deploy("v2"), junit=file)
    suite = ET.parse(file).getroot()  # noqa: S314  our own file
    failed = {case.get("name") for case in suite if case.find("failure") is not None}
    assert failed == {"gate", "shop-notes-green-1", "shop-notes-green-2"}
    assert suite.get("failures") == "3"


def test_a_lost_request_fails_the_promise(world: World) -> None:
    """The requests that were lost are named."""
    evidence = world.evidence(world.deploy("v2"))
    evidence["verdict"] = {"lossless": False, "text": "released, 1 of 9 witness requests lost"}
    evidence["witness"]["losses"] = [{"request": "POST /", "lost": "connection closed"}]
    suite = ET.fromstring(to_junit(evidence).encode())  # noqa: S314  our own text
    failure = next(f for f in (case.find("failure") for case in suite) if f is not None)
    assert failure.get("message") == "released, 1 of 9 witness requests lost"
    assert failure.text == "POST /: connection closed"


def test_a_github_step_gets_outputs_and_a_summary(world: World, tmp_path: Path) -> None:
    """Appended to what earlier steps have left there."""
    outputs, summary = tmp_path / "outputs", tmp_path / "summary"
    outputs.write_text("earlier=1\n")
    result = world.deploy("v2")
    told = announce(world, result, GITHUB_OUTPUT=str(outputs), GITHUB_STEP_SUMMARY=str(summary))
    assert told == []
    assert outputs.read_text().startswith("earlier=1\n")
    evidence = str(world.folder / str(result.evidence))
    assert read_outputs(outputs) == {
        "earlier": "1",
        "outcome": "deployed",
        "version": "v2",
        "release": result.release,
        "evidence": evidence,
        "head": result.seal,
        "folders": evidence,
    }
    assert summary.read_text().startswith("# notes v2: ")


@pytest.mark.parametrize("failing", ["", "web"])
def test_the_outputs_of_up_are_those_of_all_services(tmp_path: Path, failing: str) -> None:
    """Of the release that went worst, else of the last one; one that is unchanged hides none."""
    world, outputs = open_pair(tmp_path), tmp_path / "outputs"
    world.up()
    world.notes["env"] = {"A": "1"}
    if failing:
        world.document["services"][failing]["command"] = ["broken"]
        world.host.apps["broken"] = App(crashes=True)
    services = world.up().services
    told = [(one.service, one.outcome) for one in services]
    assert told == [("notes", "deployed"), ("web", "reverted" if failing else "unchanged")]

    gravest = find_gravest(services)
    assert announce(world, gravest, everything=services, GITHUB_OUTPUT=str(outputs)) == []
    found = read_outputs(outputs)
    decisive = services[1 if failing else 0]
    assert {key: found[key] for key in ("outcome", "release", "evidence")} == {
        "outcome": "reverted" if failing else "deployed",
        "release": decisive.release,
        "evidence": str(tmp_path / str(decisive.evidence)),
    }
    assert found["head"] == decisive.seal
    assert len(found["folders"].splitlines()) == (2 if failing else 1)


@pytest.mark.parametrize(
    ("figures", "told"),
    [
        ({"sent": 9, "lost": 2}, "but 2 of 9 witness requests were lost"),
        ({"sent": 9, "failure": "OSError: boom"}, "but its witness failed: OSError: boom"),
        ({"sent": 9}, ""),
    ],
    ids=["lost", "no_witness", "well"],
)
def test_a_release_that_was_not_clean_is_annotated(
    world: World, capsys: pytest.CaptureFixture[str], figures: dict[str, Any], told: str
) -> None:
    """It is no error of the command, but the job fails for it: the run's page says why."""
    result = world.deploy("v2")
    result = replace(result, witness=replace(result.witness, **figures))
    announce(world, result, GITHUB_ACTIONS="true")
    printed = capsys.readouterr().err
    if told:
        assert printed.startswith("::error title=stackctl::notes v2 was released, " + told)
        assert f"%0A{result.evidence}/report.html shows when\n" in printed
    else:
        assert printed == ""
    announce(world, result)
    assert capsys.readouterr().err == ""


def test_a_load_test_is_told_to_a_pipeline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missed threshold is an annotation; the report is in the summary, also of one that broke off."""
    summary, junit = tmp_path / "summary", tmp_path / "junit.xml"
    github = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)}
    missed = make_document(summary=make_summary(ok=False))
    assert tell_objectives(missed, github, junit) is None
    assert capsys.readouterr().err == (
        "::error title=stackctl::load test notes: 1 of 1 thresholds missed\n"
    )
    assert "**✕ 1 of 1 thresholds missed.**" in summary.read_text()

    broken = make_document(error=StackctlError("k6 was killed"))
    assert tell_objectives(broken, github, junit) is None
    assert capsys.readouterr().err == ""  # whoever prints the error annotates it
    assert "`k6 was killed`" in summary.read_text()
    assert read_cases(junit.read_text())["the load test came to its end"] is False

    nowhere = github | {"GITHUB_STEP_SUMMARY": str(tmp_path / "none" / "summary")}
    junit.unlink()
    trouble = tell_objectives(make_document(), nowhere, junit)
    assert trouble is not None
    assert "summary` cannot be written" in trouble.message
    assert junit.exists()
    assert tell_objectives(make_document(), {}, None) is None


def test_what_cannot_be_written_is_a_warning(world: World, tmp_path: Path) -> None:
    """Each in its own words; the rest is told all the same."""
    listener = Listener()
    nowhere = str(tmp_path / "none" / "file")
    world.document["notify"]["metrics"] = f"{nowhere}.prom"
    told = announce(
        world,
        world.deploy("v2"),
        listener,
        tmp_path / "none" / "junit.xml",
        GITHUB_OUTPUT=nowhere,
        GITHUB_STEP_SUMMARY=nowhere,
    )
    assert [line.partition(":")[0] for line in told] == [
        "the step's outputs",
        "the step's summary",
        "the JUnit report",
        "the metrics",
    ]
    assert len(listener.heard) == 1


def test_an_unchanged_service_is_no_news(world: World, tmp_path: Path) -> None:
    """Only the step's outputs say so."""
    outputs, listener = tmp_path / "outputs", Listener()
    announce(world, world.deploy("v1"), listener, GITHUB_OUTPUT=str(outputs))
    assert "outcome=unchanged" in outputs.read_text()
    assert listener.heard == []


@pytest.mark.parametrize(
    ("environment", "kind"),
    [
        ({"GITHUB_ACTIONS": "true"}, GitHubMarkers),
        ({"GITLAB_CI": "true"}, GitLabMarkers),
        ({"CI": "true"}, NoMarkers),
        ({}, NoMarkers),
    ],
    ids=["github", "gitlab", "another", "none"],
)
def test_markers_are_those_of_the_ci_system(environment: dict[str, str], kind: type) -> None:
    """As it tells by its own variable."""
    assert type(choose_markers(environment)) is kind


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"CI": "true"}, True),
        ({"CI": "1"}, True),
        ({"GITHUB_ACTIONS": "true"}, True),
        ({"GITLAB_CI": "True"}, True),
        ({"TF_BUILD": "True"}, True),
        ({"TEAMCITY_VERSION": "2026.1"}, True),
        ({"TEAMCITY_VERSION": ""}, False),
        ({"CI": "false"}, False),
        ({"CI": ""}, False),
        ({}, False),
    ],
    ids=str,
)
def test_a_ci_system_is_known_by_its_variables(
    *, environment: dict[str, str], expected: bool
) -> None:
    """Those that nearly all of them set, and those of four that act upon words of a log."""
    assert in_ci(environment) is expected


def test_a_group_closes_whatever_happens(capsys: pytest.CaptureFixture[str]) -> None:
    """And outside of a CI system there is none."""
    with pytest.raises(StackctlError), grouped({"GITHUB_ACTIONS": "true"}, "bench notes"):
        raise StackctlError("boom")
    assert capsys.readouterr().err == "::group::bench notes\n::endgroup::\n"
    with grouped({}, "bench notes"):
        pass
    assert capsys.readouterr().err == ""


def test_an_annotation_is_one_line_whatever_it_says() -> None:
    """A new line or a percent sign in it starts no other command."""
    told = GitHubMarkers().annotate("error", "a: b, c", "100%\n::set-env name=a::b")
    assert told == "::error title=a%3A b%2C c::100%25%0A::set-env name=a::b"


def test_sections_close_what_they_opened() -> None:
    """And nothing where none is open."""
    markers = GitLabMarkers()
    name = markers.begin("deploy").partition("\r")[0].rpartition(":")[2]
    assert f":{name}\r" in markers.end()
    assert markers.end() == ""


def test_a_result_without_its_evidence_is_a_warning(world: World, tmp_path: Path) -> None:
    """As where the disk was full."""
    result = replace(world.deploy("v2"), evidence="reports/releases/gone")
    told = announce(world, result, junit=tmp_path / "junit.xml")
    assert [line.partition(":")[0] for line in told] == ["the JUnit report"]


def test_each_release_of_a_unit_is_told_of_once(tmp_path: Path) -> None:
    """To the webhook, in the summary and in one JUnit file; the step has one outcome."""
    world = UnitWorld(tmp_path / "unit", notify={"webhook": "HOOK"})
    world.variables["HOOK"] = WEBHOOK
    world.begin()
    world.host.apps["jobs"] = App(crashes=True)
    listener, junit, folder = Listener(), tmp_path / "junit.xml", tmp_path
    result = world.deploy("v2")
    outputs, summary = str(folder / "out"), str(folder / "summary")
    announce(world, result, listener, junit, GITHUB_OUTPUT=outputs, GITHUB_STEP_SUMMARY=summary)

    told = [f"{one['service']} {one['version']} {one['outcome']}" for one in listener.heard]
    assert told == ["notes v2 deployed", "jobs v2 reverted", "notes v1 deployed"]
    suites = ET.fromstring(junit.read_text())  # noqa: S314  it is ours
    assert [suite.get("name") for suite in suites] == [
        *("deploy notes v2", "deploy jobs v2", "rollback notes v1")
    ]
    assert [suite.get("failures") for suite in suites] == ["0", "1", "0"]
    found = read_outputs(folder / "out")
    assert found["outcome"] == "reverted"
    assert found["head"] == result.members[-1].seal
    assert found["folders"].splitlines() == [
        str(world.folder / str(one.evidence)) for one in result.members
    ]
    assert (folder / "summary").read_text().count("\n# ") + 1 >= 3
