"""The examples, each as somebody has it: in a folder of its own, with an installed stackctl."""

from __future__ import annotations

import http.client
import json
import shutil
from contextlib import closing, contextmanager
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


def test_a_site_of_somebody_elses_image_is_released_by_its_tag(
    program: Path, operator: Operator
) -> None:
    """Its files go with it, there and back; nothing is built."""
    adopt(operator, program, "site")
    base = operator.environment["IMAGE_PREFIX"] + "nginx"
    version = f"1.30-{operator.name}"  # of this test alone: it is removed again
    operator.engine.tag(f"{base}:1.30", base, version)
    try:
        operator.up()
        assert "until six" in read_page(operator)
        page = operator.folder / "public" / "index.html"
        page.write_text(page.read_text().replace("six", "eight"))
        released = operator.run("deploy", "site", "--version", version, "--output", "json")
        assert released.code == 0, released.stderr
        assert released.document["witness"]["lost"] == 0
        assert "until eight" in read_page(operator)

        assert operator.run("rollback", "site").code == 0
        assert "until six" in read_page(operator)
        assert operator.run("evidence", "verify").code == 0
        assert operator.run("down").code == 0
    finally:
        operator.remove_everything()
        operator.engine.remove_image(f"{base}:{version}")


def read_page(operator: Operator) -> str:
    """Return what a visitor reads."""
    with closing(http.client.HTTPConnection("127.0.0.1", operator.public, timeout=10)) as visitor:
        visitor.request("GET", "/")
        return visitor.getresponse().read().decode()


@contextmanager
def enter(operator: Operator) -> Iterator[tuple[ClientConnection, str]]:
    """Enter the room; give the connection and the version that it is with."""
    with connect(f"ws://127.0.0.1:{operator.public}/ws") as visitor:
        yield visitor, json.loads(visitor.recv(timeout=10))["version"]
