"""`stackctl bench` with the real k6 on a real stack."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

import pytest

from tests.e2e.operator import IMPATIENT, PATIENCE, STACKCTL, interrupt, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.operator import Operator

CI = ("CI", "GITHUB_ACTIONS", "GITLAB_CI")

SCRIPT = """
import http from 'k6/http';
import { check } from 'k6';
export const options = {
  vus: Number(__ENV.VUS || 2), duration: __ENV.DURATION || '2s',
  thresholds: { http_req_failed: ['rate<0.01'], http_req_duration: ['p(95)<LIMIT'] },
};
export default function () {
  const answer = http.get(`${__ENV.BASE_URL}/?seconds=0.2`);
  check(answer, { 'status is 200': ({ status }) => status === 200 });
}
"""


@pytest.fixture
def loaded(app: Operator) -> Operator:
    """Somebody whose app serves v1, with scripts that load it."""
    (app.folder / "k6").mkdir()
    (app.folder / "k6" / "test.js").write_text(SCRIPT.replace("LIMIT", "5000"))
    (app.folder / "k6" / "strict.js").write_text(SCRIPT.replace("LIMIT", "1"))
    return app


def read_bench(operator: Operator) -> Any:
    """Return the document of the newest load test."""
    newest = max((operator.folder / "reports" / "bench").glob("*/bench.json"))
    return json.loads(newest.read_text())


def read_terminal(leader: int) -> Iterator[bytes]:
    """Yield what is written to a terminal until nobody holds its other end."""
    while True:
        try:
            yield os.read(leader, 65536)
        except OSError:
            return


def test_a_load_test_leaves_its_report(loaded: Operator) -> None:
    """Figures, who answered, pages; what a person adds to the newest report stays."""
    done = loaded.run("bench", "--output", "json", "--vus", "3")
    assert done.code == 0, done.stderr
    document = done.document
    assert document["verdict"] == {"passed": True, "text": "all 2 thresholds kept"}
    assert document["figures"]["requests"] > 5
    assert document["figures"]["failed"] == 0
    assert document["overrides"] == {"vus": 3, "duration": None, "rate": None}
    assert document["environment"]["services"] == [
        {"name": "app", "version": "v1", "color": "blue", "healthy": 2, "wanted": 2}
    ]
    assert document == read_bench(loaded) | {"report": document["report"]}
    folder = (loaded.folder / document["report"]).parent
    assert {path.name for path in folder.iterdir()} == {
        "bench.json",
        "report.html",
        "report.md",
        "samples.csv.gz",
        "summary.json",
    }
    newest = loaded.folder / "reports" / "k6-report.md"
    newest.write_text(newest.read_text().replace("_Write here", "We added an index. _Write here"))

    again = loaded.run("bench")
    assert again.code == 0, again.stderr
    assert f"since {document['bench']}, another load: requests/s" in again.stdout
    assert "We added an index." in newest.read_text()
    assert document["bench"] not in newest.read_text().partition("## Since")[0]
    left = [path.read_bytes() for path in folder.iterdir()]
    assert not any(str(loaded.folder).encode() in content for content in left)


def test_a_terminal_shows_a_bar(loaded: Operator) -> None:
    """With the rate, p95 and failures of the moment; in a pipeline it is lines, and an annotation."""
    environment = {name: value for name, value in loaded.environment.items() if name not in CI}
    leader, follower = pty.openpty()
    with subprocess.Popen(
        (*STACKCTL, "bench", "strict", "--duration", "3s"),
        cwd=loaded.folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=follower,
        text=True,
    ) as process:
        os.close(follower)
        shown = b"".join(read_terminal(leader)).decode()
        out, _ = process.communicate(timeout=PATIENCE)
    os.close(leader)
    assert process.returncode == 6
    assert re.search(r"█+░* [1-3] of 3 s: \d+ requests/s, p95 [\d.]+ ms, 0 of \d+ failed", shown)
    assert "1 of 2 thresholds missed" in out

    loaded.environment = {**environment, "CI": "true", "GITHUB_ACTIONS": "true"}
    done = loaded.run("bench", "strict", "--duration", "6s")
    first, *lines, last, annotation = done.stderr.splitlines()
    assert (first, last) == ("::group::bench strict", "::endgroup::")
    assert annotation == "::error title=stackctl::load test strict: 1 of 2 thresholds missed"
    assert [line for line in lines if not re.match(r"  \d+ of 6 s: \d+ requests/s", line)] == []
    assert lines


def test_a_missed_threshold_is_exit_6(loaded: Operator) -> None:
    """With the measured value."""
    done = loaded.run("bench", "strict")
    assert done.code == 6, done.stderr
    assert re.search(r"MISSED http_req_duration p\(95\)<1: [0-9]+", done.stdout)
    assert (loaded.folder / "reports" / "k6-strict-report.md").exists()


def test_a_slower_version_is_found(loaded: Operator) -> None:
    """Against a baseline of the version before: it waits 20 % longer, and that is no noise."""
    load = ("--vus", "1", "--duration", "2s", "--runs", "5")
    assert loaded.run("bench", "--save-baseline", "v1", *load).code == 0
    server = loaded.folder / "app" / "server.py"
    wait = 'float(wishes.get("seconds", 0))'
    assert wait in server.read_text()
    server.write_text(server.read_text().replace(wait, f"1.2 * {wait}"))
    assert loaded.deploy("v2").code == 0

    done = loaded.run("bench", "--against", "v1", "--runs", "5", "--output", "json")

    assert done.code == 6, done.stderr
    assert done.document["comparison"]["verdict"] == "slower"
    assert len(done.document["runs"]) == 5
    assert done.document["overrides"] == {"vus": 1, "duration": "2s", "rate": None}


def test_versions_take_turns_before_users(loaded: Operator) -> None:
    """The slower one is found run by run; each switch is a release, and users have theirs again."""
    server = loaded.folder / "app" / "server.py"
    wait = 'float(wishes.get("seconds", 0))'
    assert wait in server.read_text()
    server.write_text(server.read_text().replace(wait, f"1.2 * {wait}"))
    assert loaded.deploy("v2").code == 0
    junit = loaded.folder / "junit.xml"

    done = loaded.run(
        *("bench", "--alternate", "app", "--vus", "1", "--duration", "1s", "--runs", "5"),
        *("--output", "json", "--junit", str(junit)),
    )

    assert done.code == 6, done.stderr
    document = done.document
    assert document["comparison"]["verdict"] == "slower"
    assert document["comparison"]["against"] == "app v1"
    assert document["turns"]["runs"] == ["v2", "v1", "v1", "v2"] * 2 + ["v2", "v1"]
    assert set(document["series"]["versions"]) == {"v1", "v2"}
    assert document["figures"]["failed"] == 0
    assert loaded.serving() == "v2"
    suite = ET.parse(junit).getroot()  # noqa: S314  our own text
    failed = {case.get("name") for case in suite if case.find("failure") is not None}
    assert failed == {"not slower than app v1"}


def test_a_release_in_the_middle_is_measured(loaded: Operator) -> None:
    """Before, during and after, by the release's phases; the release is one as any other, and told."""
    outputs = loaded.folder / "outputs"
    loaded.environment["GITHUB_OUTPUT"] = str(outputs)
    done = loaded.run(
        *("bench", "--duration", "15s", "--during-deploy", "app", "--version", "v2"),
        *("--output", "json"),
    )
    assert done.code == 0, done.stderr
    assert f"outcome=deployed\nversion=v2\nrelease={done.document['release']['release']}\n" in (
        outputs.read_text()
    )
    release = done.document["release"]
    assert (release["outcome"], release["lost"]) == ("deployed", 0)
    assert list(release["parts"]) == ["before", "during", "after"]
    counts = [part["requests"] for part in release["parts"].values()]
    assert sum(counts) == done.document["figures"]["requests"]
    assert counts[0] > 0
    assert counts[1] > 0
    assert {"gate", "promote", "drain"} <= {phase["phase"] for phase in release["phases"]}
    assert done.document["figures"]["failed"] == 0
    assert (loaded.folder / release["evidence"] / "evidence.json").exists()
    assert loaded.serving() == "v2"


def test_a_release_that_fails_is_exit_6(loaded: Operator) -> None:
    """The load goes on, and users keep their version."""
    loaded.write_stack(IMPATIENT)
    done = loaded.run("bench", "--duration", "9s", "--during-deploy", "app", "--version", "sick")
    assert done.code == 6, done.stderr
    assert "the release of app sick failed" in done.stdout
    assert "error: " in done.stderr
    assert loaded.serving() == "v1"


def test_an_interrupted_load_test_keeps_what_it_has(loaded: Operator) -> None:
    """Exit 130, and no k6 goes on."""
    with loaded.running("bench", "--duration", "60s") as process:
        wait_until(lambda: list(loaded.folder.glob("reports/bench/*")) or None)
        wait_until(lambda: "seconds=0.2" in loaded.gateway_log() or None)
        code, out, _ = interrupt(process, signal.SIGINT)
    assert code == 130
    assert "test interrupted: " in out
    document = read_bench(loaded)
    assert document["outcome"] == "interrupted"
    assert document["figures"]["requests"] > 0
    assert document["thresholds"] != []
    assert not (loaded.folder / "reports" / "k6-report.md").exists()
