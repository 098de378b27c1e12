"""The examples, each as somebody has it: in a folder of its own, with an installed stackctl."""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.e2e.operator import REPOSITORY, Operator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from websockets.sync.client import ClientConnection

pytestmark = pytest.mark.xdist_group("package")

COME_AGAIN = 1012


def adopt(operator: Operator, program: Path, example: str) -> None:
    """Go into a copy of an example, and let `init` make its stack.yaml of what is there.

    Only its name and its doors are changed: other tests run beside this one.
    """
    operator.install(program)
    shutil.copytree(REPOSITORY / "examples" / example, operator.folder, dirs_exist_ok=True)
    done = operator.run("init", "--from", "compose.yaml")
    assert done.code == 0, done.stderr
    stack: dict[str, Any] = yaml.safe_load((operator.folder / "stack.yaml").read_text())
    stack["name"] = operator.name
    stack["gateway"] |= {
        "listen": f"127.0.0.1:{operator.public}",
        "admin": f"127.0.0.1:{operator.admin}",
        "drain_timeout": "2s",  # as long as open WebSockets are waited for
    }
    operator.write(stack)


def test_a_chat_goes_on_in_the_next_version(program: Path, operator: Operator) -> None:
    """Who is in the room is told to come again, and does: nobody talks to the old version afterwards."""
    adopt(operator, program, "chat")
    operator.up()
    with enter(operator) as (visitor, version):
        assert version == "v1"
        visitor.send("hello")
        assert json.loads(visitor.recv(timeout=10)) == {"version": "v1", "line": "hello"}
        released = operator.run("deploy", "chat", "--version", "v2", "--output", "json")
        assert released.code == 0, released.stderr
        assert released.document["witness"]["lost"] == 0
        with pytest.raises(ConnectionClosed) as closed:
            visitor.recv(timeout=10)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == COME_AGAIN
    with enter(operator) as (_, version):
        assert version == "v2"

    assert operator.run("rollback", "chat").code == 0
    with enter(operator) as (_, version):
        assert version == "v1"
    assert operator.run("evidence", "verify").code == 0
    assert operator.run("down").code == 0
    assert operator.containers(running=False) == []


@contextmanager
def enter(operator: Operator) -> Iterator[tuple[ClientConnection, str]]:
    """Enter the room; give the connection and the version that it is with."""
    with connect(f"ws://127.0.0.1:{operator.public}/ws") as visitor:
        yield visitor, json.loads(visitor.recv(timeout=10))["version"]
