"""Health, and life without a database."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest
from auth_database import AuthDatabase, Postgres
from auth_processes import (
    PASSWORD,
    AuthService,
    assert_problem,
    bearer,
    free_port,
    log_in,
    migrate,
    new_email,
    register,
    session,
    wait_until,
)

ACCOUNT = {"email": "a@b.example", "password": PASSWORD}
DATA_ROUTES: list[tuple[str, str, object]] = [
    ("POST", "/auth/register", ACCOUNT),
    ("POST", "/auth/login", ACCOUNT),
    ("POST", "/auth/refresh", {"refresh_token": "x"}),
    ("POST", "/auth/logout", {"refresh_token": "x"}),
]
LOGINS_AT_ONCE = 30
FLOOD = 100


def healthy(client: httpx.Client) -> bool:
    """Ask whether the service can serve."""
    return client.get("/health").status_code == 200


def assert_unavailable(service: AuthService, token: str | None = None) -> None:
    """Every route that needs the database answers 503 in time; the process is alive."""
    routes = [*DATA_ROUTES, *([("GET", "/auth/me", None)] if token else [])]
    headers = bearer(token) if token else {}

    def ask(route: tuple[str, str, object]) -> httpx.Response:
        method, path, content = route
        with service.client() as client:
            return client.request(method, path, json=content, headers=headers)

    with ThreadPoolExecutor(len(routes)) as pool, service.client() as client:
        asked = pool.map(ask, routes)
        health = client.get("/health")
        assert_problem(health, 503)
        assert (health.json()["service"], health.json()["version"]) == ("auth", "v2")
        assert health.headers["retry-after"] == "5"
        assert client.get("/livez").status_code == 200
        assert client.get("/auth/.well-known/jwks.json").status_code == 200
        for answer in asked:
            assert_problem(answer, 503)
            assert answer.headers["retry-after"] == "5"


@pytest.fixture
def own_database(own_postgres: Postgres) -> AuthDatabase:
    """Give the test a migrated database on the server that it may stop."""
    database = AuthDatabase(own_postgres.url).sibling()
    assert migrate(database).returncode == 0
    return database


def test_health_names_service_and_version(client: httpx.Client) -> None:
    """A healthy replica says who it is, and nothing may store the answer."""
    answer = client.get("/health")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "service": "auth", "version": "v2"}
    assert answer.headers["cache-control"] == "no-store"


def test_the_process_is_alive(client: httpx.Client) -> None:
    """Liveness says who it is and asks nothing of the database."""
    answer = client.get("/livez")
    assert answer.status_code == 200
    assert answer.json() == {"status": "alive", "service": "auth", "version": "v2"}


def test_a_stopped_database_is_503_and_its_return_heals(
    own_postgres: Postgres, own_database: AuthDatabase, tmp_path: Path
) -> None:
    """Without its database the service says so; with it back the same process serves what it kept."""
    with AuthService(own_database, tmp_path / "auth.log") as service, service.client() as client:
        email = register(client)["email"]
        tokens = log_in(client, email).json()
        own_postgres.stop()
        assert_unavailable(service, tokens["access_token"])
        own_postgres.start()
        wait_until(lambda: healthy(client))
        answer = client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        assert answer.status_code == 200
        assert log_in(client, email).status_code == 200
        assert all("exception" not in line for line in service.logged())


def test_a_database_that_hangs_is_503_and_its_awakening_heals(
    own_postgres: Postgres, own_database: AuthDatabase, tmp_path: Path
) -> None:
    """A database that takes requests and never answers costs a bounded time as well."""
    with AuthService(own_database, tmp_path / "auth.log") as service, service.client() as client:
        tokens = session(client)
        own_postgres.pause()
        assert_unavailable(service, tokens["access_token"])
        own_postgres.unpause()
        wait_until(lambda: healthy(client))
        me = client.get("/auth/me", headers=bearer(tokens["access_token"]))
        assert me.status_code == 200
        assert all("exception" not in line for line in service.logged())


def test_a_lost_connection_is_replaced_unnoticed(own_service: AuthService) -> None:
    """Connections that the database has closed meanwhile are no user's trouble."""
    with own_service.client() as client:
        token = bearer(session(client)["access_token"])
        own_service.database.rows(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        assert client.get("/auth/me", headers=token).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_the_service_starts_before_its_database(tmp_path: Path, host: str) -> None:
    """A service whose database is not there, or not even known by name, starts and says 503."""
    database = AuthDatabase(f"postgresql://auth@{host}:{free_port()}/auth")
    with AuthService(database, tmp_path / "auth.log") as service:
        assert_unavailable(service)


def test_a_database_without_tables_is_503_until_migrated(
    empty_database: AuthDatabase, tmp_path: Path
) -> None:
    """A service that was started too early serves once the migration has run."""
    with AuthService(empty_database, tmp_path / "auth.log") as service, service.client() as client:
        assert_unavailable(service)
        assert migrate(empty_database).returncode == 0
        wait_until(lambda: healthy(client))
        assert client.get("/auth/me", headers=bearer(session(client)["access_token"])).is_success


def test_logins_do_not_starve_the_probes(own_service: AuthService) -> None:
    """While many passwords wait to be checked, the service is still known to be healthy."""
    settings = {
        "AUTH_ARGON2_MEMORY_KIB": "19456",
        "AUTH_ARGON2_PASSES": "4",
        "AUTH_HASHES_AT_ONCE": "1",
    }
    log = own_service.log.with_name("slow.log")
    with (
        AuthService(own_service.database, log, **settings) as slow,
        slow.client() as client,
        ThreadPoolExecutor(LOGINS_AT_ONCE) as pool,
    ):
        asked = [pool.submit(log_in, client, new_email()) for _ in range(LOGINS_AT_ONCE)]
        wait_until(lambda: bool(slow.logged(message="password checked")))
        assert healthy(client)
        assert not all(each.done() for each in asked), "too fast for this test to tell anything"
        assert {each.result().status_code for each in asked} == {401}


def test_a_flood_of_passwords_is_turned_away(own_service: AuthService) -> None:
    """More passwords than can be checked in good time are refused; those that wait are answered."""
    settings = {"AUTH_ARGON2_MEMORY_KIB": "19456", "AUTH_ARGON2_PASSES": "4"}
    log = own_service.log.with_name("flooded.log")
    with (
        AuthService(own_service.database, log, **settings, AUTH_HASHES_AT_ONCE="1") as flooded,
        flooded.client() as client,
        ThreadPoolExecutor(FLOOD) as pool,
    ):
        answers = list(pool.map(lambda _: log_in(client, new_email()), range(FLOOD)))
    statuses = {answer.status_code for answer in answers}
    assert statuses == {401, 503}
    [refused] = {answer.content for answer in answers if answer.status_code == 503}
    assert b"too many passwords" in refused
