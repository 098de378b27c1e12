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
from assets_forms import FORM_TYPE, form, upload
from assets_issuer import Issuer
from assets_processes import SERVICE_HOME, AssetsService, Database, wait_until

BODY = form(os.urandom(2_000_000))


def logged(service: AssetsService) -> list[dict[str, object]]:
    """Read the service's log; each line is a JSON object."""
    return [json.loads(line) for line in service.log.read_text().splitlines()]


def wait_for_log(service: AssetsService, start: str) -> None:
    """Wait until a message that starts so has been logged."""
    wait_until(lambda: any(str(line["message"]).startswith(start) for line in logged(service)))


def begun_upload(service: AssetsService) -> socket.socket:
    """Send half an upload, and wait until some of it is on the disk."""
    connection = socket.create_connection(("127.0.0.1", service.port), timeout=30)
    head = (
        f"POST /assets/ HTTP/1.1\r\nHost: assets\r\nContent-Length: {len(BODY)}\r\n"
        f"Content-Type: {FORM_TYPE['Content-Type']}\r\n"
        f"Authorization: Bearer {service.issuer.token(uuid4())}\r\n\r\n"
    )
    connection.sendall(head.encode() + BODY[:1_000_000])
    wait_until(lambda: service.files() != [])
    return connection


def test_a_stop_while_idle_is_clean(service: AssetsService) -> None:
    """SIGTERM ends an idle service with 0, kept connections or not, and no traceback."""
    with service.client() as client:
        assert client.get("/assets/").status_code == 200
        assert service.stop() == 0
    assert all("exception" not in line for line in logged(service))
    assert all(line["level"] != "error" for line in logged(service))


def test_an_upload_in_flight_outlives_the_stop(service: AssetsService) -> None:
    """An upload half sent at SIGTERM is taken to its end and kept; new ones are refused."""
    with begun_upload(service) as connection:
        service.running.send_signal(signal.SIGTERM)
        wait_for_log(service, "Waiting for connections to close")
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", service.port), timeout=10)
        connection.sendall(BODY[1_000_000:])
        assert connection.recv(65536).startswith(b"HTTP/1.1 201 ")
    assert service.running.wait(timeout=20) == 0
    assert service.database.rows() == len(service.files()) == 1


def test_a_download_in_flight_outlives_the_stop(service: AssetsService) -> None:
    """A download half read at SIGTERM comes whole."""
    content = os.urandom(20_000_000)
    with service.client() as client:
        path = f"/assets/{upload(client, content)['id']}"
        with client.stream("GET", path) as answer:
            body = answer.iter_raw(100_000)
            read = next(body)
            service.running.send_signal(signal.SIGTERM)
            wait_for_log(service, "Waiting for ")
            assert read + b"".join(body) == content
    assert service.running.wait(timeout=20) == 0


def test_an_upload_that_outlasts_the_stop_leaves_nothing(
    database: Database, issuer: Issuer, tmp_path: Path
) -> None:
    """What is not at its end when the stop's time is over is removed."""
    service = AssetsService(database, issuer, tmp_path, ASSETS_STOP_SECONDS="1")
    with service, begun_upload(service):
        service.running.send_signal(signal.SIGTERM)
        service.running.wait(timeout=20)
        assert (service.files(), database.rows()) == ([], 0)


def test_what_a_kill_leaves_is_no_asset(service: AssetsService) -> None:
    """A service that is killed leaves parts only, and starts again over them."""
    with begun_upload(service):
        service.running.kill()
        service.running.wait(timeout=20)
    assert all(name.endswith(".part") for name in service.files())
    service.start()
    with service.client() as client:
        assert client.get("/assets/").json()["assets"] == []
        assert upload(client, b"next")["size"] == 4


def test_a_stop_during_the_boot_is_obeyed() -> None:
    """SIGTERM ends a service that is still importing, at once and with 0."""
    with subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "assets"],
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


def test_wrong_settings_are_named() -> None:
    """A service with wrong settings ends with 2 and names each of them, but no value."""
    wrong = {
        "ASSETS_DATABASE_URL": "http://user:hunter2@db/a",
        "LOG_LEVEL": "LOUD",
        "ASSETS_MAX_BYTES": "many",
        "ASSETS_JWKS_URL": "file:///hunter2",
        "ASSETS_HOST": "",
        "ASSETS_PORT": "http",
        "ASSETS_STOP_SECONDS": "0",
        "SERVICE_VERSION": "",
    }
    done = subprocess.run(
        [sys.executable, "-m", "assets"],
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


def test_what_only_some_need_is_not_loaded_at_the_start() -> None:
    """Migrations, keys, pictures and signatures are imported when they are first needed."""
    late = ["alembic", "sqlalchemy", "httpx", "jwt", "cryptography", "PIL", "puremagic"]
    code = f"import sys, assets.server; print([m for m in {late} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=SERVICE_HOME,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.strip() == "[]"


def test_connections_are_kept(client: httpx.Client) -> None:
    """Requests one after another use one connection, and no answer names the server."""
    answers = [client.get("/assets/?limit=1") for _ in range(3)]
    streams = {id(answer.extensions["network_stream"]) for answer in answers}
    assert len(streams) == 1
    assert all("server" not in answer.headers for answer in answers)
    assert all(answer.headers.get("connection") != "close" for answer in answers)


def test_a_request_id_is_answered_and_logged(
    shared_service: AssetsService, client: httpx.Client
) -> None:
    """The caller's request id is on the answer and on each log line of its request."""
    request_id = uuid4().hex
    answer = client.get(f"/assets/{request_id}", headers={"X-Request-ID": request_id})
    assert answer.headers["x-request-id"] == request_id
    [line] = [line for line in logged(shared_service) if line.get("request_id") == request_id]
    assert (line["method"], line["path"], line["status"]) == ("GET", f"/assets/{request_id}", 404)


@pytest.mark.parametrize("given", ["", "a b", "x" * 65, "ü", "a.b", "a\tb"])
def test_a_request_id_that_is_unfit_is_replaced(client: httpx.Client, given: str) -> None:
    """A request id that is empty, long or not plain is replaced, never repeated."""
    answer = client.get("/livez", headers={b"X-Request-ID": given.encode()})
    assert len(answer.headers["x-request-id"]) == 32


def test_nothing_personal_is_logged(shared_service: AssetsService) -> None:
    """Neither passwords, nor names of files, nor their content are in the log."""
    with shared_service.client() as client:
        upload(client, b"secret-content", "secret-name.txt")
        client.post("/assets/", files={"file": ("secret-name/../x", b"secret-content")})
    log = shared_service.log.read_text()
    assert "secret-" not in log
    assert shared_service.database.password not in log


@pytest.mark.parametrize(
    "line", [b"FOO / HTTP/1.1", b"GET /\xe9 HTTP/1.1", b"GET / HTTP/1.1\r\nX: \x01", b"\x16\x03"]
)
def test_what_is_no_http_is_refused_with_a_problem(
    shared_service: AssetsService, line: bytes
) -> None:
    """A request that cannot be read gets a problem document, and the connection ends."""
    with socket.create_connection(("127.0.0.1", shared_service.port), timeout=30) as wire:
        wire.sendall(line + b"\r\nHost: a\r\n\r\n")
        answer = http.client.HTTPResponse(wire)
        answer.begin()
        assert (answer.status, answer.headers["Content-Type"]) == (400, "application/problem+json")
        assert json.loads(answer.read())["detail"] == "the request is not valid HTTP"
        assert wire.recv(1) == b""
