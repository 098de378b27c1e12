"""`basic_auth` on a real engine: users with a password lose nothing, by a release or by another password."""

from __future__ import annotations

import base64
import json
import secrets
import threading
from collections import Counter
from contextlib import closing, contextmanager
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING

import pytest

from orchestrator.asking import ask_once
from tests.e2e.operator import Operator, describe_app, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.asking import Answer

PAGE = "<!doctype html><title>Staff only</title>"
OF_BOB = "of-bob-and-nobody-else"


def log_in(user: str, password: str) -> dict[str, str]:
    """Return the header of somebody with a password."""
    said = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {said}"}


class Office:
    """A stack for people with a password, and whose it is."""

    def __init__(self, operator: Operator) -> None:
        self.operator = operator
        self.of_ann = ""
        app = describe_app("/") | {"basic_auth": {"users": {"ann": "ANN", "bob": "BOB"}}}
        app["routes"] = [
            {"path": "/", "websocket": "/socket"},
            {"path": "/open/", "basic_auth": False},
        ]
        # Not what the first answer was, which may be 401.
        app["witness"] = [
            {"path": "/", "expect": 200},
            {"method": "POST", "path": "/", "json": {}, "expect": 200},
        ]
        (operator.folder / "staff.html").write_text(PAGE)
        operator.write_services({"app": app}, error_pages={401: "staff.html"})
        self.change("first-of-ann")

    def change(self, password: str) -> str:
        """Give Ann another password; return the one that she had."""
        before, self.of_ann = self.of_ann, password
        (self.operator.folder / ".env").write_text(f"ANN={password}\nBOB={OF_BOB}\n")
        return before

    def ask(self, user: str, password: str, path: str = "/", **headers: str) -> Answer:
        """Ask as somebody with a password. Raises Unanswered."""
        where = ("127.0.0.1", self.operator.public)
        return ask_once(where, path, 30, headers=log_in(user, password) | headers)

    @contextmanager
    def bobs(self) -> Iterator[Counter[str]]:
        """Let Bob come while the block runs, on kept connections and on fresh ones; count what he got."""
        seen: Counter[str] = Counter()
        over = threading.Event()

        def come(**headers: str) -> None:
            wire = HTTPConnection("127.0.0.1", self.operator.public, timeout=30)
            with closing(wire):
                while not over.is_set():
                    try:
                        wire.request("GET", "/", headers=log_in("bob", OF_BOB) | headers)
                        answer = wire.getresponse()
                        said = json.loads(answer.read())
                        seen[said["version"] if answer.status == 200 else str(answer.status)] += 1
                    except (OSError, HTTPException) as error:
                        seen[repr(error)] += 1
                        wire.close()

        kinds: tuple[dict[str, str], ...] = ({}, {"Connection": "close"})
        threads = [threading.Thread(target=come, kwargs=headers) for headers in kinds]
        for thread in threads:
            thread.start()
        try:
            yield seen
        finally:
            over.set()
            for thread in threads:
                thread.join()

    def left(self) -> Mapping[str, bytes]:
        """Return all files that commands have left, by their names."""
        reports = self.operator.folder / "reports"
        return {str(file): file.read_bytes() for file in reports.rglob("*") if file.is_file()}


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """Return a stack with passwords that serves."""
    operator = Operator(tmp_path_factory.mktemp("office"), f"t{secrets.token_hex(3)}")
    try:
        found = Office(operator)
        operator.up()
        yield found
    finally:
        operator.remove_everything()


def test_a_release_loses_nobody_with_a_password(office: Office) -> None:
    """Neither users nor its witness, WebSocket included; no evidence has a password."""
    before = office.ask("ann", office.of_ann).json()["version"]
    with office.bobs() as seen:
        wait_until(lambda: seen[before] > 10 or None)
        done = office.operator.deploy("v2")
        assert done.code == 0, done.stderr
        wait_until(lambda: seen["v2"] > 10 or None)
    assert {*seen} == {before, "v2"}
    told = done.document["witness"]
    assert (told["lost"], told["sent"] > 0) == (0, True)
    assert len(office.left()) > 5
    for name, content in office.left().items():
        assert office.of_ann.encode() not in content, name
        assert b"{SSHA}" not in content, name


def test_without_a_password_nobody_comes_in(office: Office) -> None:
    """Browsers are shown the owner's page; a route that asks nobody is open."""
    for user, password in (("ann", "wrong"), ("eve", office.of_ann), ("ann", "")):
        refused = office.ask(user, password)
        assert (refused.status, refused.header("WWW-Authenticate")) == (
            401,
            'Basic realm="Restricted"',
        )
        assert refused.json()["title"] == "Unauthorized"
    shown = office.ask("ann", "wrong", Accept="text/html")
    assert (shown.status, shown.text) == (401, PAGE)
    assert office.ask("ann", "wrong", "/open/").status == 200
    assert office.ask("ann", office.of_ann).status == 200


def test_another_password_is_one_reload_for_nobody_else(office: Office) -> None:
    """`plan` says whose it is; `up` takes it in, and who keeps theirs notices nothing."""
    before = office.change(f"another-of-ann-{secrets.token_hex(4)}")
    planned = office.operator.run("plan", "--detailed-exitcode")
    assert planned.code == 10
    assert "services.app.basic_auth: `ann` with another password" in planned.stdout
    assert office.of_ann not in planned.stdout + planned.stderr
    with office.bobs() as seen:
        wait_until(lambda: sum(seen.values()) > 10 or None)
        done = office.operator.up()
        had = sum(seen.values())
        wait_until(lambda: sum(seen.values()) > had + 10 or None)
    assert done.document["gateway"] == "reconfigured"
    assert [one["outcome"] for one in done.document["services"]] == ["unchanged"]
    assert {*seen} <= {"v1", "v2"}
    assert office.ask("ann", before).status == 401
    assert office.ask("ann", office.of_ann).status == 200
