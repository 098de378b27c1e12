"""Many who want to release at once: one does, the others are told who, or take their turn."""

from __future__ import annotations

import re
import socket
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import ExitStack
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from websockets.sync.client import connect

from tests.e2e.operator import Done

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from websockets.sync.client import ClientConnection

    from tests.e2e.operator import Operator

HELD = re.compile(
    r"`deploy app (?P<version>w\d+)` by \S+ on (?P<host>\S+) holds the lock"
    r" since \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00"
)


@pytest.fixture
def client(operator: Operator) -> Iterator[ClientConnection]:
    """Return a client of v1 that stays connected: while it does, a release does not end."""
    operator.write_stack({"replicas": 1}, keepalive="1s", drain_timeout="120s")
    operator.up()
    with connect(f"ws://127.0.0.1:{operator.public}/socket", ping_interval=None) as client:
        client.send("hello")
        assert client.recv(timeout=10) == "hello"
        yield client


def end(process: subprocess.Popen[str]) -> Done:
    """Wait for a command to end."""
    stdout, stderr = process.communicate(timeout=120)
    return Done(process.returncode, stdout, stderr)


def test_twenty_deploys_at_once_are_one(operator: Operator, client: ClientConnection) -> None:
    """One releases its version; nineteen exit with 5 and say who does, where and since when."""
    with ExitStack() as opened, ThreadPoolExecutor(max_workers=20) as pool:
        started = [
            opened.enter_context(
                operator.running("deploy", "app", "--version", f"w{number}", "--output", "json")
            )
            for number in range(20)
        ]
        ended = as_completed([pool.submit(end, process) for process in started])
        refused = [next(ended).result() for _ in range(19)]
        client.close()
        winner = next(ended).result()

    assert winner.code == 0, winner.stderr
    assert winner.document["outcome"] == "deployed"
    assert {done.code for done in refused} == {5}
    said = [HELD.fullmatch(done.document["error"]["message"]) for done in refused]
    assert {found and found["version"] for found in said} == {winner.document["version"]}
    assert {found and found["host"] for found in said} == {socket.gethostname()}
    assert operator.serving() == winner.document["version"]
    assert operator.status()["lock"] is None
    assert len(list((operator.folder / "reports" / "releases").iterdir())) == 2  # with that of `up`


def hear_of_a_wait(process: subprocess.Popen[str]) -> str:
    """Return what a command says while it waits; empty from the one that has the lock."""
    assert process.stderr is not None
    lines = (line for line in process.stderr if "waiting: " in line or "done confirm" in line)
    return next(lines).partition("waiting: ")[2]


def test_those_who_wait_take_their_turn(operator: Operator, client: ClientConnection) -> None:
    """They see whom they wait for; each releases its version, and no two at the same time."""
    with ExitStack() as opened, ThreadPoolExecutor(max_workers=3) as pool:
        started = [
            opened.enter_context(
                operator.running(
                    "deploy", "app", "--version", f"w{number}", "--wait", "--output", "json"
                )
            )
            for number in range(3)
        ]
        heard = [line for line in pool.map(hear_of_a_wait, started) if line]
        client.close()
        done = list(pool.map(end, started))

    assert [each.code for each in done] == [0, 0, 0], [each.stderr for each in done]
    assert {each.document["outcome"] for each in done} == {"deployed"}
    assert [HELD.match(line) is not None for line in heard] == [True, True]
    spans = sorted(
        (when["started"], when["ended"])
        for when in (operator.evidence(each)["when"] for each in done)
    )
    assert all(before[1] <= after[0] for before, after in pairwise(spans)), spans
