"""The processes under test: the notes service, and a database server for it."""

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
from typing import Self
from uuid import uuid4

import httpx
from notes_issuer import Issuer

SERVICE_HOME = Path(__file__).parents[1]
START_SECONDS = 30.0
STATE_SECONDS = 30.0
POLL_SECONDS = 0.02


class Process:
    """A subprocess that listens on a port of 127.0.0.1, and can be stopped and started."""

    def __init__(self, command: list[str], log: Path, environment: dict[str, str]) -> None:
        """Say what to run; nothing runs yet."""
        self.port = free_port()
        self.log = log
        self._command = [part.format(port=self.port) for part in command]
        self._environment = {
            **os.environ,
            **{name: value.format(port=self.port) for name, value in environment.items()},
        }
        self._running: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start it and wait until it listens."""
        self.start()
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
            message = f"{self._command} was not started"
            raise RuntimeError(message)
        return self._running

    def start(self) -> None:
        """Start it and wait until it listens. Raise with its log if it does not."""
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(
                self._command,
                cwd=SERVICE_HOME,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_SECONDS
        while not listens(self.port):
            if self._running.poll() is not None or time.monotonic() > deadline:
                message = f"{self._command} does not listen:\n{self.log.read_text()}"
                raise RuntimeError(message)
            time.sleep(POLL_SECONDS)

    def stop(self) -> int:
        """Send SIGTERM, wait for the end and return the exit code."""
        self.send(signal.SIGTERM)
        return self.running.wait(timeout=START_SECONDS)

    def send(self, number: signal.Signals) -> None:
        """Send a signal."""
        self.running.send_signal(number)


class DatabaseServer(Process):
    """A server that speaks MongoDB's wire protocol and keeps its data in a directory."""

    def __init__(self, directory: Path) -> None:
        """Say where the data is; it outlives a stop."""
        directory.mkdir(exist_ok=True)
        files = ["--log-file", f"{directory}/log", "--pid-file", f"{directory}/pid"]
        command = [sys.executable, "-m", "nx_27017.nx_27017", "--port", "{port}"]
        super().__init__(
            [*command, "--data-dir", f"{directory}/data", *files], directory / "output", {}
        )

    @property
    def url(self) -> str:
        """Where the service finds it."""
        return f"mongodb://127.0.0.1:{self.port}"


class NotesService(Process):
    """The service, started as its image starts it."""

    def __init__(
        self,
        database_url: str,
        log: Path,
        issuer: Issuer,
        database_name: str | None = None,
        **settings: str,
    ) -> None:
        """Say which database it uses, one of its own unless named, and whose tokens it takes."""
        self.issuer = issuer
        self.database_url = database_url
        self.user = str(uuid4())
        self.database_name = database_name or f"notes_{uuid4().hex}"
        environment = {
            "NOTES_DATABASE_URL": database_url,
            "NOTES_DATABASE_NAME": self.database_name,
            "NOTES_JWKS_URL": issuer.url,
            "NOTES_HOST": "127.0.0.1",
            "NOTES_PORT": "{port}",
            "SERVICE_VERSION": "v1",
            "LOG_LEVEL": "DEBUG",
            **settings,
        }
        super().__init__([sys.executable, "-m", "notes"], log, environment)

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"127.0.0.1:{self.port}"

    def client(self, user: str | None = None) -> httpx.Client:
        """Make a client that is signed in, keeps its connections open and never retries."""
        client = self.visitor()
        client.headers["Authorization"] = f"Bearer {self.issuer.token(user or self.user)}"
        return client

    def visitor(self) -> httpx.Client:
        """Make a client that is not signed in."""
        # Reading the machine's certificates takes longer than most of these tests.
        return httpx.Client(base_url=f"http://{self.address}", timeout=10, verify=False)  # noqa: S501  plain HTTP

    def wait_until_healthy(self) -> None:
        """Wait until it can serve."""
        with self.visitor() as visitor:
            wait_until(lambda: visitor.get("/health").status_code == 200)


def free_port() -> int:
    """Find a port that nothing listens on, and that no other worker of this run looks for."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    while True:
        port = 10_000 + 1_000 * worker + secrets.randbelow(1_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def listens(port: int) -> bool:
    """Tell whether anything accepts connections on a port of 127.0.0.1."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_until(true: Callable[[], bool]) -> None:
    """Wait for a state, for a bounded time."""
    deadline = time.monotonic() + STATE_SECONDS
    while not true():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(POLL_SECONDS)
