"""The examples, each as somebody has it: in a folder of its own, with an installed stackctl."""

from __future__ import annotations

import http.client
import json
import re
import secrets
import shutil
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import httpx
import pytest
import yaml
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.e2e.load import SCRIPT, under_load
from tests.e2e.operator import PATIENCE, REPOSITORY, Operator, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from websockets.sync.client import ClientConnection

pytestmark = pytest.mark.xdist_group("package")

COME_AGAIN = 1012


def adopt(operator: Operator, program: Path, example: str) -> None:
    """Go into a copy of an example, and let `init` make its stack.yaml of what is there.

    Only its name and its doors are changed, as other tests run beside this one, and how long is waited.
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
    for service in stack["services"].values():
        if "port" not in service:
            service["health"] = {"steady": "1s"}
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


def test_a_django_app_is_released_whole(program: Path, operator: Operator) -> None:
    """Users lose nothing, the old worker ends its job first, and the clock's gap is counted."""
    for name in ("SECRET_KEY", "DATABASE_PASSWORD"):
        operator.environment[name] = secrets.token_hex(32)
    adopt(operator, program, "django")
    operator.up()
    worker = next(name for name in operator.containers() if "-worker-" in name)
    door = f"http://127.0.0.1:{operator.public}"
    with (
        httpx.Client(base_url=door, timeout=30) as user,
        under_load(
            f"{door}/", operator.folder, rate=30, script=SCRIPT.with_name("reads.js")
        ) as load,
    ):
        style = find_style(user)
        with (operator.folder / "desk/static/desk/desk.css").open("a") as file:
            file.write("h1 { color: #236; }\n")
        post(user, "/", title="All of it")
        wait_until(lambda: ask_report(user)["pages"] or None)
        with operator.running("deploy", "web", "--version", "v2", "--output", "json") as release:
            wait_until(lambda: b"Warm shutdown" in operator.engine.logs(worker) or None, PATIENCE)
            asked = ask_report(user)
            wait_until(lambda: ask_report(user)["pages"] > asked["pages"] or None)
            post(user, "/reports/1/end")
            document, told = release.communicate(timeout=PATIENCE)
        assert release.returncode == 0, told
        assert "<small>v2</small>" in user.get("/").text
        # Who has a page of v1 asks v2 for the style that it names.
        assert "#236" in user.get(style).raise_for_status().text
        report = ask_report(user)
    assert (asked["begun_by"], asked["done_by"]) == ("v1", "")
    assert (report["begun_by"], report["done_by"]) == ("v1", "v1")
    assert report["pages"] > asked["pages"]
    assert (load.failed, load.sent > 100) == (0, True)
    released = json.loads(document)
    assert released["witness"]["lost"] == 0
    assert [one["service"] for one in released["members"]] == ["web", "worker", "beat"]
    gaps = [one["seconds"].get("gap") for one in released["members"]]
    assert gaps[:2] == [None, None]
    assert gaps[2] > 0

    assert operator.run("rollback", "web").code == 0
    assert "<small>v1</small>" in httpx.get(door, timeout=30).text
    assert operator.run("evidence", "verify").code == 0
    assert operator.run("down").code == 0
    assert operator.containers(running=False) == []


def ask_report(user: httpx.Client) -> dict[str, Any]:
    """Return how far the report is that was ordered."""
    document: dict[str, Any] = user.get("/reports/1").raise_for_status().json()
    return document


def find_style(user: httpx.Client) -> str:
    """Return where the page says that its style is."""
    link = re.search(r'rel="stylesheet" href="([^"]+)"', user.get("/").text)
    assert link
    return link[1]


def post(user: httpx.Client, path: str, **fields: str) -> None:
    """Send a form of the page, with the token that came with it."""
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', user.get("/").text)
    assert token
    answer = user.post(path, data={"csrfmiddlewaretoken": token[1], **fields})
    assert answer.status_code == httpx.codes.FOUND, answer.text


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
