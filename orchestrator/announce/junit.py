"""JUnit XML: a release's phases, gates and promise to users, or a load test's objectives, as cases."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element, SubElement, tostring

if TYPE_CHECKING:
    from collections.abc import Mapping

# What XML has no form for: most controls, halves of characters, and two that are none.
FORBIDDEN = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_junit(*told: Mapping[str, Any]) -> str:
    """Return the facts of evidence.json, or of those of all members of a unit, as a JUnit report."""
    suites = [_to_suite(evidence) for evidence in told]
    if len(suites) == 1:
        return _to_text(suites[0])
    for suite in suites:
        _finish(suite)
    whole = Element("testsuites")
    whole.extend(suites)
    return _write(whole)


def _to_suite(evidence: Mapping[str, Any]) -> Element:
    what, failure = evidence["what"], evidence.get("failure")
    name = f"{what['command']} {what['service']} {what['version']}"
    suite = Element("testsuite", name=name, time=f"{evidence['when']['seconds']:.3f}")
    for phase in evidence["phases"]:
        _add_case(suite, "phase", phase["phase"], phase["seconds"])
    if failure:
        case = _add_case(suite, "phase", failure["phase"], 0.0)
        _fail(case, failure["reason"], failure.get("logs") or "")
    for replica, probes in _by_replica(evidence["gate"]).items():
        case = _add_case(suite, "gate", replica, sum(probe["ms"] for probe in probes) / 1000)
        if not probes[-1]["healthy"]:
            _fail(case, probes[-1]["detail"] or "unhealthy", "")
    _add_promise(suite, evidence)
    return suite


def bench_to_junit(document: Mapping[str, Any]) -> str:
    """Return bench.json's facts as a JUnit report."""
    seconds, error = document["when"]["seconds"], document["error"]
    suite = Element("testsuite", name=f"bench {document['script']['name']}", time=f"{seconds:.3f}")
    case = _add_case(suite, "bench", "the load test came to its end", seconds)
    if error:
        _fail(case, error["message"], error["hint"])
    for threshold in document["thresholds"]:
        case = _add_case(suite, "slo", f"{threshold['metric']} {threshold['condition']}", 0.0)
        if not threshold["ok"]:
            _fail(case, f"measured: {threshold['value']}", "")
    if document["comparison"]:
        _add_comparison(suite, document["comparison"], document["verdict"]["text"])
    if document["release"]:
        _add_release(suite, document["release"])
    return _to_text(suite)


def _to_text(suite: Element) -> str:
    _finish(suite)
    return _write(suite)


def _write(element: Element) -> str:
    return tostring(element, encoding="unicode", xml_declaration=True) + "\n"


def _finish(suite: Element) -> None:
    """Take out what XML has no form for, and count the cases."""
    for element in suite.iter():
        element.text = element.text and _clean(element.text)
        for name, value in element.items():
            element.set(name, _clean(value))
    suite.set("tests", str(len(suite)))
    suite.set("failures", str(len(suite.findall("testcase/failure"))))
    suite.set("skipped", str(len(suite.findall("testcase/skipped"))))


def _add_comparison(suite: Element, comparison: Mapping[str, Any], text: str) -> None:
    case = _add_case(suite, "slo", f"not slower than {comparison['against']}", 0.0)
    if comparison["verdict"] == "slower":
        _fail(case, text, "")
    elif comparison["verdict"] == "undecided":
        SubElement(case, "skipped", message=comparison["doubt"])


def _add_release(suite: Element, release: Mapping[str, Any]) -> None:
    name = f"the release of {release['service']} {release['version']}"
    case = _add_case(suite, "release", name, release["seconds"])
    if release["exit_code"]:
        _fail(case, release["outcome"], (release["error"] or {}).get("message", ""))


def _add_promise(suite: Element, evidence: Mapping[str, Any]) -> None:
    verdict, witness = evidence["verdict"], evidence["witness"]
    case = _add_case(suite, "slo", "no request is lost", evidence["when"]["seconds"])
    if verdict["lossless"] is None:
        SubElement(case, "skipped", message=verdict["text"])
    elif not verdict["lossless"]:
        lines = [f"{loss['request']}: {loss['lost']}" for loss in witness["losses"]]
        _fail(case, verdict["text"], "\n".join(lines))
    elif witness.get("turned_away"):
        SubElement(case, "system-out").text = verdict["text"]


def _add_case(suite: Element, group: str, name: str, seconds: float) -> Element:
    return SubElement(
        suite, "testcase", classname=f"stackctl.{group}", name=name, time=f"{seconds:.3f}"
    )


def _fail(case: Element, message: str, text: str) -> None:
    failure = SubElement(case, "failure", message=message)
    failure.text = text


def _by_replica(gate: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for probe in gate:
        found.setdefault(probe["replica"], []).append(probe)
    return found


def _clean(text: str) -> str:
    return FORBIDDEN.sub(lambda found: ascii(found[0])[1:-1], str(text))
