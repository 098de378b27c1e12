"""The processes under test: the assets service, and a database server for it."""

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
from uuid import UUID, uuid4

import docker
import httpx
import psycopg
from assets_issuer import Issuer
from dotenv import dotenv_values
from psycopg.conninfo import conninfo_to_dict

SERVICE_HOME = Path(__file__).parents[1]
REPOSITORY = Path(__file__).parents[3]
START_SECONDS = 60.0
POLL_SECONDS = 0.02
PASSWORD = secrets.token_urlsafe(16)


class Database:
    """One database of a server: the address without a password, and the password."""

    def __init__(self, url: str, password: str) -> None:
        """Keep both."""
        self.url = url
        self.password = password

    @property
    def environment(self) -> dict[str, str]:
        """What the service has to know of it."""
        return {"ASSETS_DATABASE_URL": self.url, "ASSETS_DB_PASSWORD": self.password}

    def connect(self) -> psycopg.Connection:
        """Connect, as an operator would."""
        return psycopg.connect(
            self.url, password=self.password, autocommit=True, connect_timeout=10
        )

    def another(self, template: str | None = None) -> "Database":
        """Make another database on the same server: empty, or a copy."""
        name = f"assets_{uuid4().hex}"
        with self.connect() as connection:
            like = "" if template is None else f" TEMPLATE {template}"
            connection.execute(f"CREATE DATABASE {name}{like}".encode())
        return self.named(name)

    def named(self, name: str) -> "Database":
        """Name another database of the same server."""
        given: dict[str, Any] = {**conninfo_to_dict(self.url), "dbname": name}
        return Database(
            f"postgresql://{given['user']}@{given['host']}:{given.get('port', 5432)}/{name}",
            given.get("password", self.password),
        )

    def rows(self) -> int:
        """Count the assets."""
        with self.connect() as connection:
            row = connection.execute("SELECT count(*) FROM assets").fetchone()
        assert row is not None
        return int(row[0])


class DatabaseServer:
    """PostgreSQL in a container of its own, which may be stopped, and comes back where it was."""

    def __init__(self, *, apart: bool = False) -> None:
        """Say whether it has a network of its own: its address then outlives a stop."""
        self._name = f"stackctl-test-pg-{uuid4().hex[:12]}"
        self._docker = docker.from_env()
        self._apart = apart
        self._network: Any = None
        self.container: Any = None

    def __enter__(self) -> Self:
        """Start it, and wait until it answers."""
        try:
            if self._apart:
                self._network = self._docker.networks.create(self._name)
            self.container = self._docker.containers.run(
                f"{image_prefix()}postgres:17",
                ["postgres", "-c", "fsync=off"],
                detach=True,
                name=self._name,
                network=self._name if self._apart else "bridge",
                environment={
                    "POSTGRES_USER": "assets",
                    "POSTGRES_PASSWORD": PASSWORD,
                    "POSTGRES_DB": "assets",
                },
            )
            self.wait()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove it with its data, whatever state the test left it in."""
        if self.container is not None:
            self.container.remove(force=True, v=True)
        if self._network is not None:
            self._network.remove()
        self._docker.close()

    @property
    def database(self) -> Database:
        """The database that the server was made with."""
        self.container.reload()
        network = self.container.attrs["NetworkSettings"]["Networks"]
        address = network[self._name if self._apart else "bridge"]["IPAddress"]
        return Database(f"postgresql://assets@{address}:5432/assets", PASSWORD)

    def stop(self) -> None:
        """Stop it as the engine does."""
        self.container.stop(timeout=20)

    def start(self) -> None:
        """Start it again."""
        self.container.start()
        self.wait()

    def wait(self) -> None:
        """Wait until it answers."""

        def answers() -> bool:
            try:
                self.database.connect().close()
            except psycopg.OperationalError:
                return False
            return True

        wait_until(answers, START_SECONDS)


class AssetsService:
    """The service, started as its image starts it."""

    def __init__(self, database: Database, issuer: Issuer, home: Path, **environment: str) -> None:
        """Say what it uses; nothing runs yet."""
        self.port = free_port()
        self.folder = home / "files"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.log = home / "assets.log"
        self.issuer = issuer
        self.database = database
        self._running: subprocess.Popen[bytes] | None = None
        self._environment = {
            **os.environ,
            **database.environment,
            "ASSETS_JWKS_URL": issuer.url,
            "ASSETS_FOLDER": str(self.folder),
            "ASSETS_HOST": "127.0.0.1",
            "ASSETS_PORT": str(self.port),
            "SERVICE_VERSION": "v1",
            "LOG_LEVEL": "DEBUG",
            **environment,
        }

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
            message = "the service was not started"
            raise RuntimeError(message)
        return self._running

    def start(self) -> None:
        """Start it and wait until it listens. Raise with its log if it does not."""
        with self.log.open("ab") as log:
            self._running = subprocess.Popen(
                [sys.executable, "-m", "assets"],
                cwd=SERVICE_HOME,
                env=self._environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + START_SECONDS
        while not listens(self.port):
            if self._running.poll() is not None or time.monotonic() > deadline:
                message = f"the service does not listen:\n{self.log.read_text()}"
                raise RuntimeError(message)
            time.sleep(POLL_SECONDS)

    def stop(self) -> int:
        """Send SIGTERM, wait for the end and return the exit code."""
        self.running.send_signal(signal.SIGTERM)
        return self.running.wait(timeout=START_SECONDS)

    def client(self, user: UUID | None = None) -> httpx.Client:
        """Make a client of a user, by default a new one. It never retries."""
        token = self.issuer.token(user or uuid4())
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
            verify=False,  # noqa: S501  plain HTTP; reading the certificates takes long
        )

    def files(self) -> list[str]:
        """List every file in the service's folder, whole or not."""
        found = self.folder.rglob("*")
        return sorted(str(path.relative_to(self.folder)) for path in found if path.is_file())


def migrate(database: Database) -> None:
    """Make the tables, as a release does."""
    subprocess.run(
        [sys.executable, "-m", "assets.migrate"],
        cwd=SERVICE_HOME,
        env={**os.environ, **database.environment},
        check=True,
        capture_output=True,
        timeout=START_SECONDS,
    )


def image_prefix() -> str:
    """Tell where images come from, as the repository's `.env` says."""
    return {**dotenv_values(REPOSITORY / ".env"), **os.environ}.get("IMAGE_PREFIX") or ""


def wait_until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for a state, for a bounded time."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


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
