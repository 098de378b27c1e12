"""The process: its stop, its settings, its connections and its logs."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from uuid import uuid4

import httpx
import pytest
from notes_processes import SERVICE_HOME, NotesService, wait_until

BODY = b'{"title": "written across a stop"}'
HEAD = (
    "POST /notes/ HTTP/1.1\r\nHost: notes\r\nContent-Type: application/json\r\n"
    "Authorization: Bearer {}\r\nContent-Length: {}\r\nExpect: 100-continue\r\n\r\n"
)


def logged(service: NotesService) -> list[dict[str, object]]:
    """Read the service's log; each line is a JSON object."""
    return [json.loads(line) for line in service.log.read_text().splitlines()]


def test_a_stop_while_idle_is_clean(empty_service: NotesService) -> None:
    """SIGTERM ends an idle service with 0, kept connections or not, and no traceback."""
    with empty_service.client() as client:
        assert client.get("/notes/").status_code == 200
        assert empty_service.stop() == 0
    assert all("exception" not in line for line in logged(empty_service))


def test_a_request_in_flight_outlives_the_stop(empty_service: NotesService) -> None:
    """A request half sent at SIGTERM is taken to its end and answered; new ones are refused."""
    address = ("127.0.0.1", empty_service.port)
    with socket.create_connection(address, timeout=10) as connection:
        head = HEAD.format(empty_service.issuer.token(), len(BODY))
        connection.sendall(head.encode() + BODY[:5])
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")  # now it is read
        wait_for_log(empty_service, "Uvicorn running")
        empty_service.send(signal.SIGTERM)
        wait_for_log(empty_service, "Waiting for connections to close")
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(address, timeout=10)
        connection.sendall(BODY[5:])
        assert connection.recv(65536).startswith(b"HTTP/1.1 201 ")
    assert empty_service.running.wait(timeout=10) == 0


def wait_for_log(service: NotesService, start: str) -> None:
    """Wait until a message that starts so has been logged."""
    wait_until(lambda: any(str(line["message"]).startswith(start) for line in logged(service)))


def test_a_stop_during_the_boot_is_obeyed() -> None:
    """SIGTERM ends a service that is still importing, at once and with 0."""
    with subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "notes"],
        cwd=SERVICE_HOME,
        stderr=subprocess.PIPE,
    ) as booting:
        assert booting.stderr is not None
        for line in booting.stderr:
            if b"| " in line and b"pydantic" in line:
                break
        booting.send_signal(signal.SIGTERM)
        booting.stderr.read()
        assert booting.wait(timeout=10) == 0


def test_the_boot_imports_nothing_that_can_wait() -> None:
    """What only tokens and WebSockets need is imported after the first answers."""
    asked = "import sys, notes.server; print(*sys.modules)"
    imported = subprocess.run(
        [sys.executable, "-c", asked], cwd=SERVICE_HOME, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "notes.routes" in imported
    assert {"httpx", "jwt", "websockets", "notes.tokens"} & set(imported) == set()


def test_wrong_settings_are_named() -> None:
    """A service with wrong settings ends with 2 and names each of them, but no value."""
    wrong = {
        "NOTES_DATABASE_URL": "http://user:hunter2@db",
        "NOTES_DATABASE_NAME": "a.b$c",
        "NOTES_JWKS_URL": "ftp://auth/keys",
        "NOTES_CATCH_UP_SECONDS": "0",
        "NOTES_MAX_LISTENERS": "-1",
        "NOTES_PORT": "http",
        "LOG_LEVEL": "LOUD",
        "SERVICE_VERSION": "",
    }
    done = subprocess.run(
        [sys.executable, "-m", "notes"],
        cwd=SERVICE_HOME,
        env={**os.environ, **wrong},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2
    named = [line.split(":")[0] for line in done.stderr.splitlines()]
    assert named == [f"setting {name}" for name in wrong]
    assert "hunter2" not in done.stderr


def test_connections_are_kept(client: httpx.Client) -> None:
    """Requests one after another use one connection, and no answer names the server."""
    answers = [client.get("/notes/?limit=1") for _ in range(3)]
    streams = {id(answer.extensions["network_stream"]) for answer in answers}
    assert len(streams) == 1
    assert all("server" not in answer.headers for answer in answers)
    assert all(answer.headers.get("connection") != "close" for answer in answers)


def test_a_request_id_is_answered_and_logged(
    shared_service: NotesService, client: httpx.Client
) -> None:
    """The caller's request id is on the answer and on each log line of its request."""
    request_id = uuid4().hex
    answer = client.get(f"/notes/{request_id}", headers={"X-Request-ID": request_id})
    assert answer.headers["x-request-id"] == request_id
    [line] = [line for line in logged(shared_service) if line.get("request_id") == request_id]
    assert (line["method"], line["path"], line["status"]) == ("GET", f"/notes/{request_id}", 404)


@pytest.mark.parametrize("given", ["", "a b", "a.b", "x" * 65, "ü"])
def test_a_request_id_that_is_unfit_is_replaced(client: httpx.Client, given: str) -> None:
    """A request id that is empty, long or not plain text is replaced, never repeated."""
    answer = client.get("/livez", headers={b"X-Request-ID": given.encode()})
    assert len(answer.headers["x-request-id"]) == 32


@pytest.mark.parametrize(
    "line", [b"FOO / HTTP/1.1", b"GET /\xe9 HTTP/1.1", b"GET / HTTP/1.1\r\nX: \x01", b"\x16\x03"]
)
def test_what_is_no_http_is_refused_with_a_problem(
    shared_service: NotesService, line: bytes
) -> None:
    """A request that cannot be read gets a problem document, and the connection ends."""
    with socket.create_connection(("127.0.0.1", shared_service.port), timeout=30) as wire:
        wire.sendall(line + b"\r\nHost: a\r\n\r\n")
        answer = http.client.HTTPResponse(wire)
        answer.begin()
        assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")
        assert json.loads(answer.read())["detail"] == "the request is not valid HTTP"
        assert wire.recv(1) == b""
