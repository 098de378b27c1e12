"""The service as its users meet it: a process that answers HTTP, over a real database server."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from notes_issuer import Issuer  # noqa: E402  needs the path above
from notes_processes import DatabaseServer, NotesService  # noqa: E402


@pytest.fixture(scope="session")
def database_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Give all tests one database server: the one that the environment names, or our own."""
    given = os.environ.get("NOTES_TEST_DATABASE_URL")
    if given:
        yield given
        return
    with DatabaseServer(tmp_path_factory.mktemp("database")) as server:
        yield server.url


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    """Give all tests one issuer of tokens, whose keys stay the same."""
    with Issuer() as issuer:
        yield issuer


@pytest.fixture(scope="session")
def shared_service(
    database_url: str, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NotesService]:
    """Give one service to all tests that neither stop it nor count its notes."""
    log = tmp_path_factory.mktemp("service") / "notes.log"
    with NotesService(database_url, log, issuer) as service:
        service.wait_until_healthy()
        yield service


@pytest.fixture(scope="session")
def client(shared_service: NotesService) -> Iterator[httpx.Client]:
    """Give one signed-in client of the shared service, and its connection, to all tests."""
    with shared_service.client() as client:
        yield client


@pytest.fixture(scope="session")
def visitor(shared_service: NotesService) -> Iterator[httpx.Client]:
    """Give one client that is not signed in to all tests."""
    with shared_service.visitor() as visitor:
        yield visitor


@pytest.fixture
def empty_service(database_url: str, issuer: Issuer, tmp_path: Path) -> Iterator[NotesService]:
    """Give the test a service of its own, with no notes in it."""
    with NotesService(database_url, tmp_path / "notes.log", issuer) as service:
        service.wait_until_healthy()
        yield service


@pytest.fixture
def own_issuer() -> Iterator[Issuer]:
    """Give the test an issuer of its own, which it may close and whose keys it may change."""
    with Issuer() as issuer:
        yield issuer


@pytest.fixture
def own_database(tmp_path: Path) -> Iterator[DatabaseServer]:
    """Give the test a database server of its own, which it may stop."""
    with DatabaseServer(tmp_path / "database") as server:
        yield server


@pytest.fixture
def own_service(
    own_database: DatabaseServer, issuer: Issuer, tmp_path: Path
) -> Iterator[NotesService]:
    """Give the test a service over its own database server."""
    with NotesService(own_database.url, tmp_path / "notes.log", issuer) as service:
        service.wait_until_healthy()
        yield service
