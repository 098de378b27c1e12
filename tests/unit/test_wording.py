"""The lines that a release ends with."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.certificates.table import NO_CERTIFICATES
from orchestrator.errors import CandidateError
from orchestrator.evidence.samples import count
from orchestrator.release.reach import find_url
from orchestrator.release.result import Result
from orchestrator.wording import summarize
from tests.fakes.world import World

if TYPE_CHECKING:
    from pathlib import Path

NOBODY = count(())
PROVEN = replace(NOBODY, sent=1642, ok=1642, longest_gap_ms=630.2)
LOST = replace(PROVEN, lost=12, ok=1630, reasons={"status 302, expected 200": 12})
FOLDER = "reports/releases/20261128-102555-web-v3"
DEPLOYED = Result(
    outcome="deployed",
    service="web",
    version="v3",
    color="blue",
    release="20261128-102555-web-v3",
    evidence=FOLDER,
    witness=PROVEN,
    seconds={"total": 29.68},
    previous="v2",
    planned=True,
    url="http://127.0.0.1:8080/",
    report=f"{FOLDER}/report.html",
)
CLOCK = replace(DEPLOYED, service="clock", url="", seconds={"total": 29.68, "gap": 1.24})
FAILED = replace(DEPLOYED, outcome="reverted", error=CandidateError("it is ill"))
SHA, OTHER_SHA = "0123456789abcdef" * 2 + "01234567", "fedcba98765432100" * 2 + "fedcba"
ENDS = {
    "a release": (
        DEPLOYED,
        """\
web v3 serves at http://127.0.0.1:8080/ (was v2), 29.7 s
0 of 1,642 requests lost, longest gap 630 ms
report  reports/releases/20261128-102555-web-v3/report.html""",
    ),
    "a first release": (
        replace(DEPLOYED, previous=None, witness=NOBODY),
        """\
web v3 serves at http://127.0.0.1:8080/ (first release), 29.7 s
report  reports/releases/20261128-102555-web-v3/report.html""",
    ),
    "the same version in other settings, without a route": (
        replace(DEPLOYED, previous="v3", url="", witness=NOBODY, report=None),
        """\
web v3 serves (was v3 too), 29.7 s
nothing is proven: no request of a witness was sent
evidence  reports/releases/20261128-102555-web-v3""",
    ),
    "long versions": (
        replace(DEPLOYED, version=SHA, previous=OTHER_SHA),
        """\
web 0123456789a… serves at http://127.0.0.1:8080/ (was fedcba98765…), 29.7 s
0 of 1,642 requests lost, longest gap 630 ms
report  reports/releases/20261128-102555-web-v3/report.html""",
    ),
    "lost requests": (
        replace(DEPLOYED, witness=LOST),
        """\
web v3 serves at http://127.0.0.1:8080/ (was v2), 29.7 s
12 of 1,642 requests lost, longest gap 630 ms
lost: 12 times status 302, expected 200
hint: where that answer is right, set `expect` in `services.web.witness`
report  reports/releases/20261128-102555-web-v3/report.html""",
    ),
    "a witness that failed": (
        replace(DEPLOYED, witness=replace(PROVEN, failure="it stood still\x1b")),
        """\
web v3 serves at http://127.0.0.1:8080/ (was v2), 29.7 s
the witness failed: it stood still\\x1b
report  reports/releases/20261128-102555-web-v3/report.html""",
    ),
    "a failure": (
        FAILED,
        """\
web v3 not released, 29.7 s: users still have v2
0 of 1,642 requests lost, longest gap 630 ms
report  reports/releases/20261128-102555-web-v3/report.html""",
    ),
    "a failure of the first release": (
        replace(FAILED, previous=None, witness=NOBODY),
        """\
web v3 not released, 29.7 s: nobody is served, as before
report  reports/releases/20261128-102555-web-v3/report.html""",
    ),
    "a failure before the plan": (
        replace(FAILED, previous=None, planned=False, witness=NOBODY),
        """\
web v3 not released, 29.7 s: nothing was changed
report  reports/releases/20261128-102555-web-v3/report.html""",
    ),
    "a failure that needs a person": (
        replace(FAILED, outcome="failed_unsafe", witness=NOBODY, report=None, evidence=None),
        """\
web v3 failed, 29.7 s: it is not known what users have now
nothing is proven: no request of a witness was sent""",
    ),
    "a unit": (
        replace(
            DEPLOYED,
            members=(DEPLOYED, CLOCK, replace(CLOCK, service="a-clock-with-quite-a-long-name")),
        ),
        """\
web v3 serves at http://127.0.0.1:8080/ (was v2), 29.7 s
0 of 1,642 requests lost, longest gap 630 ms
report  reports/releases/20261128-102555-web-v3/report.html
with clock v3 serves (was v2), 29.7 s; nobody worked for 1.2 s
with a-clock-with-quite-a-long-name v3 serves (was v2), 29.7 s
  nobody worked for 1.2 s""",
    ),
    "nothing to do": (
        replace(DEPLOYED, outcome="unchanged"),
        "web v3 unchanged, serves at http://127.0.0.1:8080/",
    ),
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack that serves v1."""
    return World(tmp_path).begin()


@pytest.mark.parametrize("case", ENDS)
def test_a_release_ends_with_what_users_have_now(case: str) -> None:
    """Who serves, lost of how many, where that is shown; in lines that no usual terminal breaks."""
    result, text = ENDS[case]

    assert summarize(result) == text
    assert max(map(len, text.splitlines())) < 80


def test_a_result_says_what_was_before(world: World) -> None:
    """In JSON too: the version before, and the page that was written."""
    result = world.deploy("v2")
    facts = result.facts()

    assert (facts["previous"], facts["url"]) == ("v1", "")
    assert facts["report"] == f"{result.evidence}/report.html"
    assert (world.folder / str(facts["report"])).is_file()


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("80", "http://127.0.0.1/notes/"),
        ("8080", "http://127.0.0.1:8080/notes/"),
        ("10.0.0.7:8080", "http://10.0.0.7:8080/notes/"),
        ("[::]:8080", "http://127.0.0.1:8080/notes/"),
        ("[::1]:8080", "http://[::1]:8080/notes/"),
    ],
)
def test_an_address_is_one_to_click(world: World, listen: str, url: str) -> None:
    """The first route, at an address that leads somewhere; none where there is no route."""
    world.document["gateway"]["listen"] = listen
    assert find_url(world.house, "notes", NO_CERTIFICATES) == ""
    world.notes["routes"] = [{"path": "/notes/"}, {"path": "/more/"}]
    assert find_url(world.house, "notes", NO_CERTIFICATES) == url
