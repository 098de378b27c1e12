"""Health, and life without a database."""

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from notes_issuer import Issuer
from notes_processes import DatabaseServer, NotesService, free_port, wait_until

SOME_ID = "01890a5d-ac96-774b-bcce-b302099a8057"
NOTE = {"title": "a", "version": 1}
ALIVE = {"status": "alive", "service": "notes", "version": "v1"}
DATA_ROUTES: list[tuple[str, str, object]] = [
    ("GET", "/notes/", None),
    ("POST", "/notes/", {"title": "a"}),
    ("POST", "/notes/search", {"text": "a"}),
    ("GET", f"/notes/{SOME_ID}", None),
    ("PUT", f"/notes/{SOME_ID}", NOTE),
    ("DELETE", f"/notes/{SOME_ID}", None),
]
# Above the bounds that the service keeps (1, 1 and 6 s), so that a busy machine fails no test.
HEALTH_SECONDS = 5.0
AWAY_SECONDS = 10.0
HANGING_SECONDS = 20.0


def assert_unavailable(service: NotesService, seconds: float = AWAY_SECONDS) -> None:
    """Every route that needs the database answers 503 in time; the process is alive."""

    def ask(route: tuple[str, str, object]) -> httpx.Response:
        method, path, content = route
        with service.client() as client:
            return client.request(method, path, json=content, timeout=seconds)

    with ThreadPoolExecutor(len(DATA_ROUTES)) as pool, service.client() as client:
        asked = pool.map(ask, DATA_ROUTES)
        health = client.get("/health", timeout=HEALTH_SECONDS)
        assert health.status_code == 503
        assert health.headers["content-type"] == "application/problem+json"
        assert client.get("/livez").json() == ALIVE
        for answer in asked:
            assert answer.status_code == 503, answer.request.url
            assert answer.headers["content-type"] == "application/problem+json"
            assert answer.headers["retry-after"] == "5"


def test_health_names_service_and_version(client: httpx.Client) -> None:
    """A healthy replica says who it is, and nothing may store the answer."""
    answer = client.get("/health")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "service": "notes", "version": "v1"}
    assert answer.headers["cache-control"] == "no-store"


def test_the_process_is_alive(client: httpx.Client) -> None:
    """Liveness asks nothing of the database."""
    answer = client.get("/livez")
    assert (answer.status_code, answer.json()) == (200, ALIVE)


def test_a_stopped_database_is_503_and_its_return_heals(
    own_database: DatabaseServer, own_service: NotesService
) -> None:
    """Without its database the service says so quickly; with it back it serves what it stored."""
    with own_service.client() as client:
        note = client.post("/notes/", json={"title": "kept"}).json()
        own_database.stop()
        assert_unavailable(own_service)
        own_database.start()
        wait_until(lambda: client.get("/health").status_code == 200)
        assert client.get(f"/notes/{note['id']}").json() == note
        assert client.post("/notes/", json={"title": "new"}).status_code == 201


def test_a_database_that_hangs_is_503_and_its_awakening_heals(
    own_database: DatabaseServer, own_service: NotesService
) -> None:
    """A database that takes requests and never answers costs a bounded time as well."""
    with own_service.client() as client:
        assert client.get("/notes/").status_code == 200
        own_database.send(signal.SIGSTOP)
        assert_unavailable(own_service, HANGING_SECONDS)
        own_database.send(signal.SIGCONT)
        wait_until(lambda: client.get("/health").status_code == 200)
        assert client.get("/notes/").status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_the_service_starts_before_its_database(tmp_path: Path, issuer: Issuer, host: str) -> None:
    """A service whose database is not there, or not even known by name, starts and says 503."""
    url = f"mongodb://{host}:{free_port()}"
    with NotesService(url, tmp_path / "notes.log", issuer) as service:
        assert_unavailable(service)


def test_a_database_that_comes_late_is_found(tmp_path: Path, issuer: Issuer) -> None:
    """A service that started before its database serves once the database has come."""
    database = DatabaseServer(tmp_path / "database")
    log = tmp_path / "notes.log"
    with NotesService(database.url, log, issuer) as service, service.client() as client:
        assert client.get("/health").status_code == 503
        with database:
            wait_until(lambda: client.get("/health").status_code == 200)
            assert client.get("/notes/").status_code == 200
