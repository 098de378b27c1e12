"""Health, and life without a database."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from assets_forms import assert_problem, form, post, upload
from assets_issuer import Issuer
from assets_processes import (
    AssetsService,
    Database,
    DatabaseServer,
    free_port,
    migrate,
    wait_until,
)

SOME_ID = "01890a5d-ac96-474b-bcce-b302099a8057"
DATA_ROUTES = [
    ("GET", "/assets/"),
    ("POST", "/assets/"),
    ("GET", f"/assets/{SOME_ID}"),
    ("HEAD", f"/assets/{SOME_ID}"),
    ("GET", f"/assets/{SOME_ID}/meta"),
    ("DELETE", f"/assets/{SOME_ID}"),
]
# Above the bounds that the service keeps (1.3 and 8 s), so that a busy machine fails no test.
HEALTH_SECONDS = 4.0
AWAY_SECONDS = 20.0


def assert_unavailable(service: AssetsService) -> None:
    """Every route that needs the database answers 503 in time; the process is alive."""

    def ask(route: tuple[str, str]) -> httpx.Response:
        method, path = route
        with service.client() as client:
            if method == "POST":
                return post(client, form(b"never stored"))
            return client.request(method, path, timeout=AWAY_SECONDS)

    with ThreadPoolExecutor(len(DATA_ROUTES)) as pool, service.client() as client:
        asked = pool.map(ask, DATA_ROUTES)
        health = client.get("/health", timeout=HEALTH_SECONDS)
        members = assert_problem(health, 503)
        assert (members["service"], members["version"]) == ("assets", "v1")
        assert client.get("/livez").status_code == 200
        for answer in asked:
            assert answer.status_code == 503, answer.request.url
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["retry-after"] == "5"


def test_health_names_service_and_version(client: httpx.Client) -> None:
    """A healthy replica says who it is, and nothing may store the answer."""
    answer = client.get("/health")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "service": "assets", "version": "v1"}
    assert answer.headers["cache-control"] == "no-store"


def test_the_process_is_alive(client: httpx.Client) -> None:
    """Liveness asks nothing of the database."""
    answer = client.get("/livez")
    alive = {"status": "alive", "service": "assets", "version": "v1"}
    assert (answer.status_code, answer.json()) == (200, alive)


def test_a_stopped_database_is_503_and_its_return_heals(
    own_server: DatabaseServer, own_service: AssetsService
) -> None:
    """Without its database the service says so; with it back it serves what it stored."""
    with own_service.client() as client:
        path = f"/assets/{upload(client, b'kept')['id']}"
        own_server.stop()
        assert_unavailable(own_service)
        own_server.start()
        wait_until(lambda: client.get("/health").status_code == 200)
        assert client.get(path).content == b"kept"
        assert upload(client, b"new")["size"] == 3
    assert len(own_service.files()) == own_service.database.rows() == 2


def test_a_database_that_hangs_is_503_and_its_awakening_heals(
    own_server: DatabaseServer, own_service: AssetsService
) -> None:
    """A database that takes requests and never answers costs a bounded time as well."""
    with own_service.client() as client:
        path = f"/assets/{upload(client, b'kept')['id']}"
        own_server.container.pause()
        assert_unavailable(own_service)
        own_server.container.unpause()
        wait_until(lambda: client.get("/health").status_code == 200)
        assert client.get(path).content == b"kept"


def test_the_service_starts_before_its_database(issuer: Issuer, tmp_path: Path) -> None:
    """A service whose database is not there starts and says 503."""
    nowhere = Database(f"postgresql://assets@127.0.0.1:{free_port()}/assets", "")
    with AssetsService(nowhere, issuer, tmp_path) as service:
        assert_unavailable(service)


def test_a_database_without_tables_is_503_until_they_are_made(
    server: Database, issuer: Issuer, tmp_path: Path
) -> None:
    """The service makes no tables itself, and is ready once somebody has."""
    database = server.another()
    with AssetsService(database, issuer, tmp_path) as service, service.client() as client:
        assert_unavailable(service)
        migrate(database)
        wait_until(lambda: client.get("/health").status_code == 200)
        assert upload(client, b"new")["size"] == 3


def test_requests_beyond_the_connections_wait_their_turn(shared_service: AssetsService) -> None:
    """More requests at once than there are connections to the database are all served."""

    def ask(_number: int) -> int:
        with shared_service.client() as client:
            return client.get("/assets/").status_code

    with ThreadPoolExecutor(40) as pool:
        statuses = list(pool.map(ask, range(200)))
    assert statuses == [200] * 200
