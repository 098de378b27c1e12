"""The process: its stop, its settings, its connections and its logs."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from auth.settings import read_settings, refusal
from auth_database import AuthDatabase
from auth_processes import (
    PASSWORD,
    SEED,
    SERVICE_HOME,
    AuthService,
    assert_problem,
    log_in,
    new_email,
    register,
    wait_until,
)
from pydantic import ValidationError

BODY = b'{"email": "a@b.example", "password": "%s"}' % PASSWORD.encode()
HEAD = (
    b"POST /auth/register HTTP/1.1\r\nHost: auth\r\nContent-Type: application/json\r\n"
    b"Content-Length: %d\r\n\r\n" % len(BODY)
)
EXPECTING = b"\r\nExpect: 100-continue\r\n\r\n"
SLOW_HASHES = {"AUTH_ARGON2_MEMORY_KIB": "49152", "AUTH_ARGON2_PASSES": "10"}


def test_a_stop_while_idle_is_clean(own_service: AuthService) -> None:
    """SIGTERM ends an idle service with 0, kept connections or not, and no traceback."""
    with own_service.client() as client:
        assert client.get("/health").status_code == 200
        assert own_service.stop() == 0
    assert all("exception" not in line for line in own_service.logged())


def test_a_request_in_flight_outlives_the_stop(own_service: AuthService) -> None:
    """A request half sent at SIGTERM is taken to its end and answered; new ones are refused."""
    address = ("127.0.0.1", own_service.port)
    with socket.create_connection(address, timeout=10) as connection:
        connection.sendall(HEAD.replace(b"\r\n\r\n", EXPECTING) + BODY[:5])
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")  # now it is read
        wait_until(lambda: said(own_service, "Uvicorn running"))
        own_service.running.send_signal(signal.SIGTERM)
        wait_until(lambda: said(own_service, "Waiting for connections to close"))
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(address, timeout=10)
        connection.sendall(BODY[5:])
        assert connection.recv(65536).startswith(b"HTTP/1.1 201 ")
    assert own_service.running.wait(timeout=10) == 0
    assert own_service.database.rows("SELECT email FROM users") == [("a@b.example",)]


def test_a_password_that_is_being_hashed_outlives_the_stop(own_service: AuthService) -> None:
    """A stop in the middle of a hash waits for it, and for the account to be stored."""
    log = own_service.log.with_name("slow.log")
    with (
        AuthService(own_service.database, log, **SLOW_HASHES) as slow,
        socket.create_connection(("127.0.0.1", slow.port), timeout=20) as connection,
    ):
        connection.sendall(HEAD + BODY)
        wait_until(lambda: said(slow, "password to be hashed"))
        assert slow.stop() == 0
        assert connection.recv(65536).startswith(b"HTTP/1.1 201 ")
    assert own_service.database.rows("SELECT email FROM users") == [("a@b.example",)]


def said(service: AuthService, start: str) -> bool:
    """Tell whether a message that starts so has been logged."""
    return any(str(line["message"]).startswith(start) for line in service.logged())


def test_a_stop_during_the_boot_is_obeyed() -> None:
    """SIGTERM ends a service that is still importing, at once and with 0."""
    with subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "auth"],
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


def test_the_service_imports_no_migration() -> None:
    """What only migrations need is not imported at a start, which would take half as long again."""
    listed = "import sys, auth.server; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", listed],
        cwd=SERVICE_HOME,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert not {"alembic", "sqlalchemy", "mako"} & set(done.stdout.split())


def test_wrong_settings_are_named() -> None:
    """A service with wrong settings ends with 2 and names each of them, but no value."""
    wrong = {
        "AUTH_DATABASE_URL": "http://user:hunter2@db/auth",
        "LOG_LEVEL": "LOUD",
        "SERVICE_VERSION": "",
        "AUTH_SIGNING_KEYS": "hunter2",
        "AUTH_ARGON2_MEMORY_KIB": "999999",
        "AUTH_ARGON2_PASSES": "0",
        "AUTH_ARGON2_LANES": "x",
        "AUTH_HASHES_AT_ONCE": "50",
        "AUTH_PORT": "http",
    }
    done = subprocess.run(
        [sys.executable, "-m", "auth"],
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


@pytest.mark.parametrize(
    "keys",
    [None, "", "x" * 43 + ",", "%" * 43, "x" * 44, "ü" * 43],
    ids=lambda text: str(text)[-3:],
)
def test_wrong_keys_are_refused_unsaid(
    keys: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a good signing key there are no settings, and no part of a key is printed."""
    with pytest.raises(ValidationError) as raised:
        read_settings({} if keys is None else {"AUTH_SIGNING_KEYS": keys})
    assert refusal(raised.value) == 2
    said = capsys.readouterr().err
    assert said.startswith("setting AUTH_SIGNING_KEYS: ")
    assert not keys or keys not in said


def test_settings_show_no_secret() -> None:
    """Settings that somebody prints, as a traceback may, hold neither password nor key."""
    secrets = {"AUTH_SIGNING_KEYS": SEED, "AUTH_DB_PASSWORD": "hunter2"}
    shown = repr(read_settings(secrets))
    assert "hunter2" not in shown
    assert SEED not in shown
    assert "signing" not in shown


def test_connections_are_kept(client: httpx.Client) -> None:
    """Requests one after another use one connection, and no answer names the server."""
    answers = [client.get("/livez") for _ in range(3)]
    streams = {id(answer.extensions["network_stream"]) for answer in answers}
    assert len(streams) == 1
    assert all("server" not in answer.headers for answer in answers)
    assert all(answer.headers.get("connection") != "close" for answer in answers)


def test_a_failed_login_is_logged_without_a_name(shared_service: AuthService) -> None:
    """A failure leaves a line with its request's id, and nothing about who it was."""
    request_id, email = uuid4().hex, new_email()
    with shared_service.client() as client:
        answer = client.post(
            "/auth/login",
            json={"email": email, "password": "hunter2"},
            headers={"X-Request-ID": request_id},
        )
    assert_problem(answer, 401)
    assert answer.headers["x-request-id"] == request_id
    [line] = shared_service.logged(request_id=request_id, message="a login failed")
    assert line["level"] == "warning"
    assert email not in str(line)
    assert "hunter2" not in shared_service.log.read_text()


def test_what_goes_well_leaves_no_line(database: AuthDatabase, tmp_path: Path) -> None:
    """At the usual level a service that is used as it should be tells of its start and stop only."""
    with (
        AuthService(database, tmp_path / "auth.log", LOG_LEVEL="INFO") as service,
        service.client() as client,
    ):
        assert log_in(client, register(client)["email"]).status_code == 200
        assert client.get("/health").status_code == 200
        assert service.stop() == 0
    assert {line["logger"] for line in service.logged()} == {"uvicorn.error"}
    assert {line["level"] for line in service.logged()} == {"info"}


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "ü", "a/b", "a;b"], ids=ascii)
def test_a_request_id_that_is_unfit_is_replaced(client: httpx.Client, given: str) -> None:
    """A request id that is empty, long or of other letters is replaced, never repeated."""
    answer = client.get("/livez", headers={b"X-Request-ID": given.encode()})
    assert len(answer.headers["x-request-id"]) == 32


@pytest.mark.parametrize("given", ["a", "A-z_0-9", "x" * 64])
def test_a_request_id_that_is_fit_is_answered(client: httpx.Client, given: str) -> None:
    """The gateway's id comes back, on errors too."""
    for path in ("/livez", "/nowhere"):
        answer = client.get(path, headers={"X-Request-ID": given})
        assert answer.headers["x-request-id"] == given


@pytest.mark.parametrize(
    "line", [b"FOO / HTTP/1.1", b"GET /\xe9 HTTP/1.1", b"GET / HTTP/1.1\r\nX: \x01", b"\x16\x03"]
)
def test_what_is_no_http_is_refused_with_a_problem(
    shared_service: AuthService, line: bytes
) -> None:
    """A request that cannot be read gets a problem document, and the connection ends."""
    with socket.create_connection(("127.0.0.1", shared_service.port), timeout=30) as wire:
        wire.sendall(line + b"\r\nHost: a\r\n\r\n")
        answer = http.client.HTTPResponse(wire)
        answer.begin()
        assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")
        assert json.loads(answer.read())["detail"] == "the request is not valid HTTP"
        assert wire.recv(1) == b""
