"""The service as its users meet it: a process that answers HTTP, over a real database server."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1])]

from assets_issuer import Issuer  # noqa: E402  needs the path above
from assets_processes import AssetsService, Database, DatabaseServer, migrate  # noqa: E402


@pytest.fixture(scope="session")
def server() -> Iterator[Database]:
    """Give all tests one database server: the one that the environment names, or our own."""
    given = os.environ.get("ASSETS_TEST_DATABASE_URL")
    if given:
        yield Database(given, os.environ.get("ASSETS_DB_PASSWORD", ""))
        return
    with DatabaseServer() as server:
        yield server.database


@pytest.fixture(scope="session")
def template(server: Database) -> str:
    """Give all tests one migrated database to copy."""
    template = server.another()
    migrate(template)
    return template.url.rsplit("/", 1)[1]


@pytest.fixture
def database(server: Database, template: str) -> Database:
    """Give the test a database of its own, with the tables and nothing in them."""
    return server.another(template)


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    """Give all tests one issuer of tokens."""
    with Issuer() as issuer:
        yield issuer


@pytest.fixture(scope="session")
def shared_service(
    server: Database, template: str, issuer: Issuer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[AssetsService]:
    """Give one service to all tests that neither stop it nor look at all of its files."""
    database = server.another(template)
    with AssetsService(database, issuer, tmp_path_factory.mktemp("service")) as service:
        yield service


@pytest.fixture
def client(shared_service: AssetsService) -> Iterator[httpx.Client]:
    """Give the test a client of the shared service; its user has no assets yet."""
    with shared_service.client() as client:
        yield client


@pytest.fixture
def service(database: Database, issuer: Issuer, tmp_path: Path) -> Iterator[AssetsService]:
    """Give the test a service of its own, over an empty database and folder."""
    with AssetsService(database, issuer, tmp_path) as service:
        yield service


@pytest.fixture
def own_server() -> Iterator[DatabaseServer]:
    """Give the test a database server of its own, which it may stop."""
    with DatabaseServer(apart=True) as server:
        migrate(server.database)
        yield server


@pytest.fixture
def own_service(
    own_server: DatabaseServer, issuer: Issuer, tmp_path: Path
) -> Iterator[AssetsService]:
    """Give the test a service over its own database server."""
    with AssetsService(own_server.database, issuer, tmp_path) as service:
        yield service
