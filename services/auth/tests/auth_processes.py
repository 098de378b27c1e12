"""The processes under test: the auth service, and its migration."""

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from uuid import uuid4

import httpx
from auth_database import AuthDatabase

SERVICE_HOME = Path(__file__).parents[1]
WAIT_SECONDS = 30.0
POLL_SECONDS = 0.02
PASSWORD = "correct horse battery staple"  # noqa: S105  of accounts that tests make
SEED = secrets.token_urlsafe(32)

# As cheap as they get: what a hash costs is no subject here.
CHEAP_HASHES = {"AUTH_ARGON2_MEMORY_KIB": "1024", "AUTH_ARGON2_PASSES": "1"}


class AuthService:
    """The service, started as its image starts it."""

    def __init__(
        self, database: AuthDatabase, log: Path, version: str = "v2", **settings: str
    ) -> None:
        """Say which database it uses and what else it is told; nothing runs yet."""
        self.port = free_port()
        self.log = log
        self.database = database
        self._environment = {
            **os.environ,
            **CHEAP_HASHES,
            **database.settings,
            "AUTH_SIGNING_KEYS": SEED,
            "AUTH_HOST": "127.0.0.1",
            "AUTH_PORT": str(self.port),
            "SERVICE_VERSION": version,
            "LOG_LEVEL": "DEBUG",
            **settings,
        }
        self._running: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it and wait until it listens."""
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(
                [sys.executable, "-m", "auth"],
                cwd=SERVICE_HOME,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        wait_until(self.listens_or_ended, self.log.read_text)
        if self._running.poll() is not None:
            message = f"the service ended:\n{self.log.read_text()}"
            raise RuntimeError(message)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End it, whatever state the test left it in."""
        if self._running is not None:
            self._running.kill()
            self._running.wait()

    @property
    def running(self) -> subprocess.Popen[bytes]:
        """The process. Raise if it was never started."""
        if self._running is None:
            message = "the service was not started"
            raise RuntimeError(message)
        return self._running

    def listens_or_ended(self) -> bool:
        """Tell whether there is anything left to wait for."""
        with socket.socket() as probe:
            listens = probe.connect_ex(("127.0.0.1", self.port)) == 0
        return listens or self.running.poll() is not None

    def stop(self) -> int:
        """Send SIGTERM, wait for the end and return the exit code."""
        self.running.send_signal(signal.SIGTERM)
        return self.running.wait(timeout=WAIT_SECONDS)

    def client(self, address: str = "") -> httpx.Client:
        """Make a client that keeps its connections and never retries; give it an address at will."""
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"X-Real-IP": address} if address else {},
            timeout=20,
            verify=False,  # noqa: S501  plain HTTP; reading the machine's certificates takes long
        )

    def logged(self, **wanted: object) -> list[dict[str, Any]]:
        """Read the log's lines, each a JSON object; only those that hold what is wanted."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines()]
        return [line for line in lines if wanted.items() <= line.items()]


def migrate(database: AuthDatabase, version: str = "v2") -> subprocess.CompletedProcess[str]:
    """Run a version's migration to its end."""
    return subprocess.run(
        [sys.executable, "-m", "auth.migrate"],
        cwd=SERVICE_HOME,
        env={**os.environ, **database.settings, "SERVICE_VERSION": version},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def new_email() -> str:
    """Make an address that no account has."""
    return f"{uuid4().hex}@example.org"


def register(client: httpx.Client, **fields: object) -> dict[str, Any]:
    """Make an account and return it."""
    account = {"email": new_email(), "password": PASSWORD, **fields}
    answer = client.post("/auth/register", json=account)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def log_in(client: httpx.Client, email: str, password: str = PASSWORD) -> httpx.Response:
    """Try to log in."""
    return client.post("/auth/login", json={"email": email, "password": password})


def session(client: httpx.Client) -> dict[str, Any]:
    """Make an account and log in; return both tokens."""
    answer = log_in(client, register(client)["email"])
    assert answer.status_code == 200, answer.text
    tokens: dict[str, Any] = answer.json()
    return tokens


def bearer(token: str) -> dict[str, str]:
    """Put an access token where it belongs."""
    return {"Authorization": f"Bearer {token}"}


def assert_problem(answer: httpx.Response, status: int) -> None:
    """Check that the answer is a problem document with this status, and not large."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert {"type", "title", "detail"} <= answer.json().keys()
    assert len(answer.content) < 10_000


def free_port() -> int:
    """Find a port that nothing listens on, and that no other worker of this run looks for."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        port = 10_000 + 1_000 * worker + secrets.randbelow(1_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def wait_until(true: Callable[[], bool], told: Callable[[], str] = str) -> None:
    """Wait for a state, for a bounded time."""
    deadline = time.monotonic() + WAIT_SECONDS
    while not true():
        assert time.monotonic() < deadline, f"it did not come; {told()}"
        time.sleep(POLL_SECONDS)
