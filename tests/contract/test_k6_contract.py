"""The real k6 against a little server: whatever happens, what was measured is kept."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orchestrator.bench.figures import pool, read_thresholds
from orchestrator.bench.k6 import find_k6, inspect, make_environment
from orchestrator.bench.script import Overrides, find_script
from orchestrator.bench.session import Session, Task, ask_gateway, run_session
from orchestrator.clock import SystemClock
from orchestrator.errors import GatewayError, Interrupted
from orchestrator.stack.quantities import Address
from tests.fakes.server import GOOD, Request, serving
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.bench.session import Tick

OPTIONS = "{ vus: 2, duration: __ENV.DURATION, thresholds: { http_req_failed: ['rate<0.5'] } }"
SCRIPT = """
import http from 'k6/http';
import { sleep } from 'k6';
export const options = %s;
export default function () { http.get(__ENV.BASE_URL); sleep(0.01); }
"""


def answer(request: Request) -> bool:
    """Answer well."""
    return request.answer(GOOD)


def make_task(folder: Path, address: Address, text: str, **more: object) -> Task:
    """Prepare a run of a second."""
    name = str(more.pop("name", "load.js"))
    (folder / name).write_text(text)
    script, k6 = find_script(folder, name), find_k6()
    duration = str(more.pop("duration", "1s"))
    around = {"PATH": os.environ["PATH"]}
    environment = make_environment(around, f"http://{address}/", Overrides(duration=duration))
    found = inspect(k6, script, environment)
    return Task(k6, script, found, environment, address, **more)  # type: ignore[arg-type]


def run(
    task: Task,
    show: Callable[[Tick], None] = lambda _: None,
    beside: Callable[[float], None] = lambda _: None,
) -> Session:
    """Run it on the machine's clock."""
    return run_session(task, SystemClock(), show, beside)


def find_load(task: Task) -> int:
    """Return the id of the k6 that runs beside this test."""
    for place in Path("/proc").glob("[0-9]*"):
        try:
            words = (place / "cmdline").read_text().split("\0")
            parent = (place / "stat").read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if words[:2] == [task.k6.path, "run"] and int(parent) == os.getpid():
            return int(place.name)
    raise AssertionError("no k6 runs")


def test_each_run_leaves_points_and_a_summary(tmp_path: Path) -> None:
    """The figures are those of k6, and what goes on is shown."""
    ticks: list[Tick] = []
    with serving(answer) as server:
        task = make_task(tmp_path, server.address, SCRIPT % OPTIONS, runs=2)
        session = run(task, ticks.append)
        sent = [request for request in server.requests if request.method == "GET"]
    assert (session.outcome, session.error) == ("completed", None)
    assert pool([list(points) for points in session.points]).requests == len(sent)
    counted = [summary["metrics"]["http_reqs"]["values"]["count"] for summary in session.summaries]
    assert [len(points) for points in session.points] == counted
    assert [one.ok for one in read_thresholds(session.summaries[0])] == [True]
    assert {(tick.run, tick.runs, tick.length) for tick in ticks} == {(1, 2, 1.0), (2, 2, 1.0)}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("own.js", SCRIPT + "export function handleSummary() { return {}; }"),
        ("broken.js", SCRIPT + "export function handleSummary() { throw 1; }"),
        ('it\'s "a" #1 %41 <b> $.js', SCRIPT),
        ("secret.js", SCRIPT + "export function setup() { return { token: 'geheim' }; }"),
        (
            "named.js",
            SCRIPT.replace("export default function ()", "export function go()").replace(
                "%s",
                "{ thresholds: { http_reqs: ['count>1'] }, scenarios: { a: { exec: 'go',"
                " executor: 'constant-vus', vus: 1, duration: '1s' } } } // %s",
            ),
        ),
        (
            "common.js",
            """const http = require('k6/http'); exports.options = %s;
            exports.default = () => { http.get(__ENV.BASE_URL); };""",
        ),
    ],
    ids=["own_summary", "broken_summary", "hostile_name", "setup", "no_default", "commonjs"],
)
def test_any_script_works(tmp_path: Path, name: str, text: str) -> None:
    """One with its own handleSummary, a strange name, no default, or from before modules."""
    with serving(answer) as server:
        session = run(make_task(tmp_path, server.address, text % OPTIONS, name=name))
    assert (session.outcome, session.error) == ("completed", None)
    (summary,) = session.summaries
    assert summary["metrics"]["http_reqs"]["values"]["count"] > 1
    assert read_thresholds(summary) != []
    assert "geheim" not in str(summary)


def test_a_killed_k6_leaves_what_was_measured(tmp_path: Path) -> None:
    """The signal is told by its name."""
    with serving(answer) as server:
        task = make_task(tmp_path, server.address, SCRIPT % OPTIONS, duration="30s")

        def kill(tick: Tick) -> None:
            if tick.look.requests:
                os.kill(find_load(task), signal.SIGKILL)

        session = run(task, kill)
    assert session.outcome == "killed"
    assert session.error is not None
    assert "k6 was killed by SIGKILL" in session.error.message
    assert len(session.points[0]) > 0


def test_an_interruption_ends_k6_in_peace(tmp_path: Path) -> None:
    """It writes its summary; no further run begins."""
    with serving(answer) as server:
        task = make_task(tmp_path, server.address, SCRIPT % OPTIONS, duration="30s", runs=3)

        def interrupt(tick: Tick) -> None:
            if tick.look.requests:
                raise Interrupted(signal.SIGINT)

        session = run(task, interrupt)
    assert (session.outcome, len(session.points)) == ("interrupted", 1)
    assert len(session.points[0]) > 0
    assert len(session.summaries) == 1
    assert session.error is not None
    assert session.error.exit_code == 130


def test_a_gateway_that_goes_down_ends_the_load(tmp_path: Path) -> None:
    """Once nothing was answered for a while."""
    with serving(answer) as server:
        text = SCRIPT % OPTIONS
        task = make_task(tmp_path, server.address, text, duration="60s", silence=1.0)

        def break_off(tick: Tick) -> None:
            if tick.look.requests:
                server.behave = Request.reset

        session = run(task, break_off)
    assert session.outcome == "gateway_down"
    assert isinstance(session.error, GatewayError)
    assert "the gateway has not answered for" in session.error.message


def test_a_setup_that_fails_is_told(tmp_path: Path) -> None:
    """In k6's words, with its line."""
    text = SCRIPT % OPTIONS + "export function setup() { throw new Error('nobody'); }"
    with serving(answer) as server:
        session = run(make_task(tmp_path, server.address, text))
    assert session.outcome == "failed"
    assert session.error is not None
    assert "k6 ended with code 107" in session.error.message
    assert "Error: nobody at setup (load.js:6" in session.error.message


def test_a_gateway_that_knows_no_such_host_is_up() -> None:
    """It may close all other connections without an answer."""
    refused = b"HTTP/1.1 405 Not Allowed\r\nContent-Length: 0\r\n\r\n"

    def behave(request: Request) -> bool:
        return request.answer(refused) if request.method == "TRACE" else request.reset()

    with serving(behave) as server:
        ask_gateway(server.address)


def test_a_gateway_that_is_down_is_told_before_the_load(tmp_path: Path) -> None:
    """With where it was looked for."""
    address = Address("127.0.0.1", free_port())
    with pytest.raises(GatewayError, match=f"does not answer at `{address}`: connection refused"):
        ask_gateway(address)
    session = run(make_task(tmp_path, address, SCRIPT % OPTIONS))
    assert session.outcome == "failed"
    assert len(session.points[0]) == 0


def test_every_interface_is_the_loopback_too() -> None:
    """Load goes to this host."""
    assert Address("0.0.0.0", 80).reachable == Address("127.0.0.1", 80)
    assert Address("127.0.0.2", 80).reachable == Address("127.0.0.2", 80)


FILES = """
import { open as openFile } from 'k6/experimental/fs';
const users = await openFile('users.csv');
const names = open('./users.csv');
export const options = {
  vus: 1, iterations: 1,
  thresholds: { iterations: [{ threshold: 'count>0', abortOnFail: true }] },
};
export default async function () { await users.stat(); }
export async function handleSummary() {
  return { 'own.txt': await Promise.resolve(names), stdout: 'told' };
}
"""


def test_whatever_runs_with_k6_runs_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files beside the script, thresholds that end a test, a summary that takes its time."""
    folder, caller = tmp_path / "k6", tmp_path / "caller"
    folder.mkdir()
    caller.mkdir()
    monkeypatch.chdir(caller)
    (folder / "users.csv").write_text("ada,grace")
    with serving(answer) as server:
        session = run(make_task(folder, server.address, FILES))

    assert (session.outcome, session.error) == ("completed", None)
    (summary,) = session.summaries
    assert read_thresholds(summary)
    assert (caller / "own.txt").read_text() == "ada,grace"
    assert {file.name for file in folder.iterdir()} == {"load.js", "users.csv"}


ABORTING = """
import exec from 'k6/execution';
export default function () { exec.test.abort('no users left'); }
"""


def test_a_script_that_aborts_its_test_is_quoted(tmp_path: Path) -> None:
    """And its summary is kept."""
    with serving(answer) as server:
        session = run(make_task(tmp_path, server.address, ABORTING))

    assert session.error is not None
    assert session.error.message.startswith("the script aborted its test after")
    assert "no users left" in session.error.message
    assert len(session.summaries) == 1
