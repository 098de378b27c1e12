"""The schema: how it grows under two versions of the service, and what a rollback finds."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from auth.release import release_of
from auth_database import AuthDatabase
from auth_processes import (
    PASSWORD,
    SERVICE_HOME,
    AuthService,
    assert_problem,
    bearer,
    free_port,
    log_in,
    migrate,
    new_email,
    register,
    wait_until,
)

AT_ONCE = 20

# Imports once, so that the copies really run at the same moment, and not one import after the other.
MANY_AT_ONCE = """
import os, sys
from auth.migrate import main
copies = []
for _ in range(int(sys.argv[1])):
    if (copy := os.fork()) == 0:
        os._exit(main())
    copies.append(copy)
print(*(os.waitstatus_to_exitcode(os.waitpid(copy, 0)[1]) for copy in copies))
"""


@pytest.fixture(scope="module")
def migrated_by_version_1(server: AuthDatabase) -> AuthDatabase:
    """Give a database as version 1 leaves it, to be copied."""
    database = server.sibling()
    assert migrate(database, "v1").returncode == 0
    return database


@pytest.fixture
def old_database(migrated_by_version_1: AuthDatabase) -> AuthDatabase:
    """Give the test a database of its own as version 1 leaves it."""
    return migrated_by_version_1.sibling(migrated_by_version_1.name)


@pytest.fixture
def old_service(old_database: AuthDatabase, tmp_path: Path) -> Iterator[AuthService]:
    """Give the test version 1 over its own schema."""
    with AuthService(old_database, tmp_path / "v1.log", "v1") as service:
        yield service


def schema(database: AuthDatabase) -> str:
    """Ask how far the database is."""
    [(number,)] = database.rows("SELECT version_num FROM alembic_version")
    return str(number)


def columns(database: AuthDatabase) -> set[str]:
    """List what an account's row has."""
    found = database.rows(
        "SELECT column_name FROM information_schema.columns WHERE table_name = 'users'"
    )
    return {name for (name,) in found}


def me(client: httpx.Client, token: str) -> dict[str, object]:
    """Ask for the account."""
    seen: dict[str, object] = client.get("/auth/me", headers=bearer(token)).json()
    return seen


def assert_works(client: httpx.Client) -> None:
    """An account can be made, entered and seen, and a session goes on."""
    made = register(client)
    tokens = log_in(client, made["email"]).json()
    answer = client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert answer.status_code == 200
    assert me(client, answer.json()["access_token"]) == made


def test_version_1_makes_the_first_schema_only(old_database: AuthDatabase) -> None:
    """Its migration ends at 0001, though the source knows more."""
    assert schema(old_database) == "0001"
    assert columns(old_database) == {"id", "email", "password_hash", "created_at"}


@pytest.mark.parametrize("version", ["v2", "dev"])
def test_later_versions_make_the_newest(empty_database: AuthDatabase, version: str) -> None:
    """Version 2, and what has no number, goes from nothing to 0002."""
    assert migrate(empty_database, version).returncode == 0
    assert schema(empty_database) == "0002"
    assert "display_name" in columns(empty_database)


@pytest.mark.parametrize(
    ("version", "schema"),
    [
        ("v1", "0001"),
        ("1.9", "0001"),
        ("v1-rc1", "0001"),
        ("v2", "0002"),
        ("v2.1", "0002"),
        ("v10", "0002"),
        ("dev", "0002"),
    ],
)
def test_a_version_stands_for_a_schema(version: str, schema: str) -> None:
    """Its first number decides; what has none is built from the newest source."""
    assert release_of(version).schema == schema


def test_version_1_runs_on_its_own_schema(old_service: AuthService) -> None:
    """On 0001 version 1 does all that it offers, and knows no name to show."""
    with old_service.client() as client:
        assert client.get("/health").json()["version"] == "v1"
        assert_works(client)
        account = {"email": new_email(), "password": PASSWORD, "display_name": "Ann"}
        assert_problem(client.post("/auth/register", json=account), 422)
        token = bearer(log_in(client, register(client)["email"]).json()["access_token"])
        assert_problem(client.patch("/auth/me", json={"display_name": "a"}, headers=token), 405)


def test_the_schema_grows_under_version_1(old_service: AuthService) -> None:
    """Version 2's migration disturbs no session of version 1, which goes on without a restart."""
    with old_service.client() as client:
        made = register(client)
        tokens = log_in(client, made["email"]).json()
        # Often enough for statements to be prepared, which a new column must not invalidate.
        for _ in range(10):
            assert me(client, tokens["access_token"]) == made
        assert migrate(old_service.database, "v2").returncode == 0
        assert schema(old_service.database) == "0002"
        for _ in range(10):
            assert me(client, tokens["access_token"]) == made
        assert client.get("/health").status_code == 200
        assert_works(client)


def test_both_versions_serve_one_database(old_service: AuthService, tmp_path: Path) -> None:
    """While a release is under way each version works on what the other one wrote."""
    assert migrate(old_service.database, "v2").returncode == 0
    with (
        AuthService(old_service.database, tmp_path / "v2.log", "v2") as new_service,
        old_service.client() as old,
        new_service.client() as new,
    ):
        from_old, from_new = register(old), register(new, display_name="Ann")
        seen = me(new, log_in(old, from_old["email"]).json()["access_token"])
        assert seen == {**from_old, "display_name": None}
        token = log_in(new, from_new["email"]).json()["refresh_token"]
        answer = old.post("/auth/refresh", json={"refresh_token": token})
        seen = me(old, answer.json()["access_token"])
        assert seen == {name: from_new[name] for name in ("id", "email", "created_at")}


def test_a_rollback_works_on_the_newer_schema(old_database: AuthDatabase, tmp_path: Path) -> None:
    """Version 1 after version 2: nothing is migrated back, all is served, and no name is lost."""
    assert migrate(old_database, "v2").returncode == 0
    with AuthService(old_database, tmp_path / "v2.log", "v2") as new, new.client() as client:
        made = register(client, display_name="Ann")
    assert migrate(old_database, "v1").returncode == 0
    assert schema(old_database) == "0002"
    with AuthService(old_database, tmp_path / "v1.log", "v1") as old, old.client() as client:
        assert client.get("/health").status_code == 200
        assert_works(client)
        assert log_in(client, made["email"]).status_code == 200
    with AuthService(old_database, tmp_path / "v2.log", "v2") as new, new.client() as client:
        token = log_in(client, made["email"]).json()["access_token"]
        assert me(client, token) == made


def test_version_2_waits_for_its_schema(old_database: AuthDatabase, tmp_path: Path) -> None:
    """On 0001 version 2 is not healthy, so that no gate lets it in; the migration heals it."""
    with AuthService(old_database, tmp_path / "v2.log", "v2") as new, new.client() as client:
        health = client.get("/health")
        assert_problem(health, 503)
        assert health.json()["detail"] == "the database is behind"
        account = {"email": new_email(), "password": PASSWORD}
        assert_problem(client.post("/auth/register", json=account), 503)
        assert migrate(old_database, "v2").returncode == 0
        assert client.get("/health").status_code == 200
        assert_works(client)


@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_schema_of_the_future_is_left_alone(
    database: AuthDatabase, tmp_path: Path, version: str
) -> None:
    """A revision that this source has never heard of is further, and served."""
    database.rows("UPDATE alembic_version SET version_num = '0003'")
    assert migrate(database, version).returncode == 0
    assert schema(database) == "0003"
    with (
        AuthService(database, tmp_path / "auth.log", version) as service,
        service.client() as client,
    ):
        assert client.get("/health").status_code == 200


def test_a_migration_says_what_it_did(empty_database: AuthDatabase) -> None:
    """It writes a JSON object for each step and one at the end; the second time it has no steps."""
    said = [
        [(line["message"], line.get("to")) for line in map(json.loads, done.stderr.splitlines())]
        for done in (migrate(empty_database), migrate(empty_database))
    ]
    assert said == [
        [("step done", "0001"), ("step done", "0002"), ("migrated", None)],
        [("nothing to migrate", None)],
    ]


def test_migrations_at_once_take_turns(empty_database: AuthDatabase) -> None:
    """Of many processes that start at the same moment one migrates, and all end well."""
    done = subprocess.run(
        [sys.executable, "-c", MANY_AT_ONCE, str(AT_ONCE)],
        cwd=SERVICE_HOME,
        env={**os.environ, **empty_database.settings, "SERVICE_VERSION": "v2"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.split() == ["0"] * AT_ONCE, done.stderr
    steps = [line for line in done.stderr.splitlines() if '"step done"' in line]
    assert len(steps) == 2
    assert schema(empty_database) == "0002"


def test_a_table_in_use_stops_the_migration_and_changes_nothing(
    old_database: AuthDatabase,
) -> None:
    """A migration that would make users wait gives up, says so, and can be tried again."""
    with psycopg.connect(old_database.url) as reader:
        reader.execute("SELECT 1 FROM users")
        done = migrate(old_database, "v2")
    assert done.returncode == 1
    [line] = map(json.loads, done.stderr.splitlines())
    assert (line["message"], line["wanted"]) == ("not migrated", "0002")
    assert "lock timeout" in line["error"]
    assert schema(old_database) == "0001"
    assert migrate(old_database, "v2").returncode == 0


def test_a_migration_waits_for_its_database(tmp_path: Path) -> None:
    """A migration that comes before its database says so once; told to stop, it stops at once."""
    nowhere = AuthDatabase(f"postgresql://auth@127.0.0.1:{free_port()}/auth")
    log = tmp_path / "migrate.log"
    with log.open("w") as output:
        waiting = subprocess.Popen(
            [sys.executable, "-m", "auth.migrate"],
            cwd=SERVICE_HOME,
            env={**os.environ, **nowhere.settings},
            stderr=output,
        )
    try:
        wait_until(lambda: "waiting for the database" in log.read_text())
        waiting.terminate()
        assert waiting.wait(timeout=10) == 143
    finally:
        waiting.kill()
        waiting.wait()
    assert len(log.read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("settings", "code"),
    [({"AUTH_DATABASE_URL": "mysql://u:hunter2@db/x"}, 2), ({"SERVICE_VERSION": ""}, 2)],
    ids=["url", "version"],
)
def test_wrong_settings_are_named(settings: dict[str, str], code: int) -> None:
    """A migration with wrong settings ends with 2, and tells no value."""

    class Wrong(AuthDatabase):
        @property
        def settings(self) -> dict[str, str]:
            return settings

    nowhere = f"postgresql://auth@127.0.0.1:{free_port()}/auth"
    done = migrate(Wrong(nowhere), settings.get("SERVICE_VERSION", "v2"))
    assert done.returncode == code
    assert done.stderr.startswith(f"setting {next(iter(settings))}: ")
    assert "hunter2" not in done.stderr
