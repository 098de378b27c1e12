"""A real PostgreSQL in a container of its own, and the databases in it."""

import os
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit
from uuid import uuid4

import docker
import psycopg
from docker.errors import APIError
from docker.models.containers import Container
from dotenv import dotenv_values
from psycopg import sql

REPOSITORY = Path(__file__).parents[3]
NAME = "stackctl-test-pg-"
PASSWORD = "only-for-tests"  # noqa: S105  the containers are reached from this machine only
START_SECONDS = 60.0
POLL_SECONDS = 0.05
STALE_SECONDS = 3600


class Postgres:
    """A server that can be stopped, paused and started, and keeps its address meanwhile.

    The address belongs to a second container that does nothing else: one that is stopped and
    started may come back with another.
    """

    def __init__(self) -> None:
        """Say which image; nothing runs yet."""
        self._engine = docker.from_env()
        self._image = f"{image_prefix()}postgres:17"
        self._started: list[Container] = []
        self.url = ""

    def __enter__(self) -> Self:
        """Start it and wait until it answers."""
        try:
            self._sweep()
            name = f"{NAME}{uuid4().hex[:12]}"
            holder = self._run(f"{name}-address", entrypoint=["sleep", "infinity"])
            holder.reload()
            address = holder.attrs["NetworkSettings"]["Networks"]["bridge"]["IPAddress"]
            self.url = f"postgresql://postgres:{PASSWORD}@{address}:5432/postgres"
            self._run(
                name,
                # Nothing here has to outlive a loss of power.
                command=["-c", "fsync=off", "-c", "max_connections=300"],
                environment={"POSTGRES_PASSWORD": PASSWORD},
                network_mode=f"container:{holder.id}",
            )
            self.wait()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Remove both containers, whatever state the test left them in."""
        self._remove()

    @property
    def container(self) -> Container:
        """The server's container."""
        return self._started[-1]

    def stop(self) -> None:
        """Stop it as an operator does."""
        self.container.stop(timeout=10)

    def start(self) -> None:
        """Start it again, with its data."""
        self.container.start()
        self.wait()

    def pause(self) -> None:
        """Freeze it: connections stay open, and nothing answers."""
        self.container.pause()

    def unpause(self) -> None:
        """Let it go on."""
        self.container.unpause()

    def wait(self) -> None:
        """Wait until it answers."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, self.container.logs().decode()
            else:
                return
            time.sleep(POLL_SECONDS)

    def _run(self, name: str, **settings: Any) -> Container:
        container = self._engine.containers.run(
            self._image, name=name, labels={NAME: ""}, detach=True, **settings
        )
        self._started.append(container)
        return container

    def _sweep(self) -> None:
        """Remove what tests that were killed have left behind."""
        for container in self._engine.containers.list(
            all=True, filters={"label": NAME}, ignore_removed=True
        ):
            made = datetime.fromisoformat(container.attrs["Created"][:19] + "+00:00")
            if (datetime.now(UTC) - made).total_seconds() > STALE_SECONDS:
                with suppress(APIError):  # another worker was faster
                    container.remove(force=True, v=True)

    def _remove(self) -> None:
        for container in reversed(self._started):
            container.remove(force=True, v=True)
        self._engine.close()


class AuthDatabase:
    """One database of a server: what the service has stored, and what a test wants it to find."""

    def __init__(self, url: str) -> None:
        """Say where it is."""
        self.url = url

    def rows(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Execute a statement; return its rows, if it gives any."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode(), values)
            return cursor.fetchall() if cursor.description else []

    def sibling(self, template: str = "template0") -> "AuthDatabase":
        """Make another database on the same server, empty or a copy."""
        name = f"auth_{uuid4().hex}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            made = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
            connection.execute(made.format(sql.Identifier(name), sql.Identifier(template)))
        return AuthDatabase(urlsplit(self.url)._replace(path=f"/{name}").geturl())

    @property
    def name(self) -> str:
        """The name of this database on its server."""
        return urlsplit(self.url).path.removeprefix("/")

    @property
    def settings(self) -> dict[str, str]:
        """What the service is told of it: an address, and the password apart from it."""
        whole = urlsplit(self.url)
        address = f"{whole.username}@{whole.hostname}:{whole.port}"
        return {
            "AUTH_DATABASE_URL": whole._replace(netloc=address).geturl(),
            "AUTH_DB_PASSWORD": whole.password or "",
        }


def image_prefix() -> str:
    """Read where images come from, as stackctl does: the environment first, then `.env`."""
    return {**dotenv_values(REPOSITORY / ".env"), **os.environ}.get("IMAGE_PREFIX") or ""
