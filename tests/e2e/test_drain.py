"""The end of a drain: clients that let go in time, and one that never would."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.sync.client import connect

from tests.e2e.operator import Done, wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from websockets.sync.client import ClientConnection

    from tests.e2e.operator import Operator


@contextmanager
def connected(operator: Operator) -> Iterator[ClientConnection]:
    """Give a client of the app that stays connected over a WebSocket."""
    with connect(f"ws://127.0.0.1:{operator.public}/socket", ping_interval=None) as client:
        assert speak(client) == "hello"
        yield client


def speak(client: ClientConnection) -> str:
    """Say something and return what comes back."""
    client.send("hello")
    return str(client.recv(timeout=10))


def test_a_client_that_never_hangs_up_is_cut(operator: Operator) -> None:
    """The old version has `drain_timeout` for it; the release goes well and says whom it cut."""
    operator.write_stack({"drain_timeout": "8s"}, drain_timeout="60s")
    operator.up()
    with connected(operator) as client:
        done = operator.deploy("v2")
        with pytest.raises(ConnectionClosedError):
            speak(client)

    assert (done.code, done.document["outcome"]) == (0, "deployed"), done.stderr
    assert done.document["warnings"] == ["1 connections were cut at the end of the drain"]
    evidence = operator.evidence(done)
    assert evidence["drain"]["cut"] == 1
    assert evidence["verdict"]["lossless"] is True
    with connected(operator):
        assert operator.serving() == "v2"


def test_a_client_that_hangs_up_in_time_is_waited_for_and_not_cut(operator: Operator) -> None:
    """It talks to the version before until then, and nobody is counted."""
    operator.write_stack(drain_timeout="120s")
    operator.up()
    with (
        connected(operator) as client,
        operator.running("deploy", "app", "--version", "v2", "--output", "json") as process,
    ):
        wait_for(process, "confirm")
        assert operator.serving() == "v2"
        assert speak(client) == "hello"
        assert f"{operator.name}-app-blue-1" in operator.containers()
        client.close()
        stdout, stderr = process.communicate(timeout=60)

    done = Done(process.returncode, stdout, stderr)
    assert (done.code, done.document["warnings"]) == (0, []), stderr
    assert operator.evidence(done)["drain"]["cut"] == 0
