"""A service that is called by gRPC, on the real engine: with TLS and without."""

from __future__ import annotations

import shutil
import threading
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.grpc import CHECK, HEADERS
from tests.e2e.calling import Caller, put_http2
from tests.e2e.operator import describe_app
from tests.e2e.tls import HOST, Door

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.operator import Operator

CALLS = Path(__file__).parent / "calls"


def write_calls(
    operator: Operator,
    route: dict[str, object] | None = None,
    health: dict[str, object] | None = None,
    **gateway: object,
) -> None:
    """Write a stack.yaml with the test's app, and `calls`, which speaks gRPC; and start it.

    Where `health` does not say otherwise, it is asked by gRPC.
    """
    folder = operator.folder / "calls"
    shutil.copytree(CALLS, folder, dirs_exist_ok=True)
    put_http2(folder)
    routes = [{"path": "/calls.Calls/", **(route or {})}]
    calls: dict[str, object] = {
        "build": {"context": "calls", "args": {"IMAGE_PREFIX": "${IMAGE_PREFIX:-}"}},
        "port": 50051,
        "protocol": "grpc",
        "replicas": 2,
        "read_only": True,
        "health": {"interval": "20ms", "deadline": "20s", **(health or {})},
        "routes": routes,
        "stop_grace": "3s",
    }
    operator.write_services({"calls": calls, "app": describe_app("/")}, **gateway)
    operator.up()


def release(operator: Operator, *what: str) -> Any:
    """Release the calls; return what the witness has seen, whose verdict is that nothing was lost."""
    done = operator.run(*what, "--output", "json")
    assert done.code == 0, done.stderr
    evidence = operator.evidence(done)
    assert evidence["verdict"]["lossless"] is True, evidence["verdict"]
    return evidence["witness"]


@pytest.mark.parametrize("secure", [False, True], ids=["without TLS", "with TLS"])
def test_releases_lose_no_call_and_end_no_connection(operator: Operator, secure: bool) -> None:  # noqa: FBT001
    """Of a client with one connection, nor of the witness, over two releases and a rollback."""
    door = Door(operator) if secure else None
    write_calls(
        operator, health=None if door else {"port": 8080}, **({"tls": door.keys()} if door else {})
    )
    over = threading.Event()
    seen: Counter[tuple[str, str]] = Counter()
    failed: list[BaseException] = []

    def come() -> None:
        opened = door.connect(door.trust("h2"), HOST) if door else None
        try:
            with Caller(door.port if door else operator.public, opened) as caller:
                while not over.is_set():
                    told = caller.call("/calls.Calls/Version")
                    seen[told.code, told.text] += 1
        except BaseException as error:  # noqa: BLE001  told below
            failed.append(error)

    client = threading.Thread(target=come)
    client.start()
    try:
        seen_by_it = [release(operator, "deploy", "calls", "--version", "v2")]
        seen_by_it.append(release(operator, "deploy", "calls", "--version", "v3"))
        seen_by_it.append(release(operator, "rollback", "calls"))
    finally:
        over.set()
        client.join()
    assert failed == []
    assert {*seen} == {("0", "v1"), ("0", "v2"), ("0", "v3")}
    for witness, versions in zip(
        seen_by_it, (["v1", "v2"], ["v2", "v3"], ["v3", "v2"]), strict=True
    ):
        assert [*witness["versions"]] == versions
        assert witness["sent"] == witness["ok"] > witness["http2"] > 0
        assert witness["closes"]["kept"] == 0
    assert operator.get()[0] == 200  # beside it HTTP is what it was


def test_what_the_gateway_says_by_itself_is_a_status_of_grpc(operator: Operator) -> None:
    """Unavailable, too late, too much; what the app says goes through as it is."""
    write_calls(operator, {"timeouts": {"read": "1500ms"}, "max_body": 64})

    def ask(method: str, size: int = 0) -> tuple[str, str, str]:
        message = b"\0" + size.to_bytes(4) + bytes(size)
        with Caller(operator.public) as caller:
            told = caller.call(f"/calls.Calls/{method}", message)
        return told.status, told.code, told.fields.get("grpc-message", "")

    assert ask("Version") == ("200", "0", "")
    assert ask("Slow") == ("200", "0", "")
    assert ask("Refuse") == ("200", "5", "there is none")
    assert ask("Never") == ("200", "4", "the service did not answer in time")
    assert ask("Version", 100)[:2] == ("200", "8")
    assert operator.run("pause", "calls").code == 0
    assert ask("Version") == ("200", "14", "the service is paused for maintenance")
    assert operator.run("resume", "calls").code == 0
    assert ask("Version") == ("200", "0", "")


def test_the_gate_asks_the_health_service_of_grpc(operator: Operator) -> None:
    """Of the app as a whole or of one service; why one does not pass is told in gRPC's words."""
    write_calls(operator, health={"service": "calls.Calls", "deadline": "3s"})
    assert operator.run("deploy", "calls", "--version", "v2").code == 0

    def fail(change: Callable[[dict[str, Any]], object], version: str) -> str:
        stack = operator.read()
        change(stack["services"]["calls"])
        operator.write(stack)
        done = operator.run("deploy", "calls", "--version", version)
        assert done.code == 1, done.stderr
        return done.stderr

    said = fail(lambda calls: calls.update(env={"DISMISSED": "1"}), "v3")
    assert "answered NOT_SERVING" in said
    said = fail(lambda calls: calls["health"].update(service="calls.Other"), "v4")
    assert "NOT_FOUND (asked was `calls.Other`): there is none" in said
    assert "hint: the health service of the app does not know that name" in said
    said = fail(lambda calls: calls.update(port=8080), "v5")
    assert "is reached at port 8080, and does not speak HTTP/2 there" in said
    with Caller(operator.public) as caller:
        assert caller.call("/calls.Calls/Version").text == "v2"


def test_nothing_else_is_called_at_the_admin_listener(operator: Operator) -> None:
    """A POST reaches the health service of one replica, or of a color, and no other path."""
    write_calls(operator)
    gateway = operator.ask_gateway()
    body = b"\0\0\0\0\0"

    def ask(path: str, body: bytes = body) -> int:
        return gateway.probe("calls-blue-1", path, 5, HEADERS, body).status

    assert ask(CHECK) == 200
    assert gateway.preview("calls", "blue", CHECK, 5, HEADERS, body).body == b"\0\0\0\0\x02\x08\x01"
    assert ask("/calls.Calls/Version") == 405
    assert ask("/health") == 405
    assert ask(CHECK, b"") == 405
    assert ask(CHECK, bytes(2000)) == 413
