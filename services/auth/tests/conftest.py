"""The service as its users meet it: a process that answers HTTP, over a real PostgreSQL."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from auth_database import AuthDatabase, Postgres  # noqa: E402  needs the path above
from auth_processes import AuthService, migrate  # noqa: E402


@pytest.fixture(scope="session")
def server() -> Iterator[AuthDatabase]:
    """Give all tests one database server: the one that the environment names, or our own."""
    given = os.environ.get("AUTH_TEST_DATABASE_URL")
    if given:
        yield AuthDatabase(given)
        return
    with Postgres() as postgres:
        yield AuthDatabase(postgres.url)


@pytest.fixture(scope="session")
def migrated(server: AuthDatabase) -> AuthDatabase:
    """Give a database with the newest tables, to be copied."""
    database = server.sibling()
    done = migrate(database)
    assert done.returncode == 0, done.stderr
    return database


@pytest.fixture(scope="session")
def shared_service(
    migrated: AuthDatabase, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AuthService]:
    """Give one service to all tests that do not stop it."""
    log = tmp_path_factory.mktemp("service") / "auth.log"
    with AuthService(migrated.sibling(migrated.name), log) as service:
        yield service


@pytest.fixture(scope="session")
def client(shared_service: AuthService) -> Iterator[httpx.Client]:
    """Give one client of the shared service, and its kept connection, to all tests."""
    with shared_service.client() as client:
        yield client


@pytest.fixture
def database(migrated: AuthDatabase) -> AuthDatabase:
    """Give the test a database of its own, with the newest tables and no account."""
    return migrated.sibling(migrated.name)


@pytest.fixture
def empty_database(server: AuthDatabase) -> AuthDatabase:
    """Give the test a database of its own, with nothing in it."""
    return server.sibling()


@pytest.fixture
def own_service(database: AuthDatabase, tmp_path: Path) -> Iterator[AuthService]:
    """Give the test a service and a database of its own."""
    with AuthService(database, tmp_path / "auth.log") as service:
        yield service


@pytest.fixture
def own_postgres() -> Iterator[Postgres]:
    """Give the test a database server of its own, which it may stop."""
    with Postgres() as postgres:
        yield postgres
