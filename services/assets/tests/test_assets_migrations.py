"""Migrations: the tables are made once, however often and by how many they are asked for."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from assets_processes import SERVICE_HOME, Database, DatabaseServer, free_port

AT_ONCE = 20


def migrate(database: Database, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the migration."""
    return subprocess.run(
        [sys.executable, "-m", "assets.migrate"],
        cwd=SERVICE_HOME,
        env={**os.environ, **database.environment, **environment},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def steps(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Read what it did; each line is a JSON object."""
    return [json.loads(line)["step"] for line in done.stdout.splitlines()]


def tables(database: Database) -> list[str]:
    """List the tables."""
    with database.connect() as connection:
        found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        return sorted(row[0] for row in found.fetchall())


def test_the_tables_are_made_once(server: Database) -> None:
    """The first migration makes the tables, the next one finds nothing to do."""
    database = server.another()
    first, second = migrate(database), migrate(database)
    assert (first.returncode, steps(first)) == (0, ["migrated", "up to date"])
    assert (second.returncode, steps(second)) == (0, ["up to date"])
    assert tables(database) == ["alembic_version", "assets"]


def test_many_at_once_are_as_one(server: Database) -> None:
    """Twenty migrations started together all succeed, and one of them makes the tables."""
    database = server.another()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        done = list(pool.map(lambda _number: migrate(database), range(AT_ONCE)))
    assert [one.returncode for one in done] == [0] * AT_ONCE
    assert [step for one in done for step in steps(one)].count("migrated") == 1
    assert tables(database) == ["alembic_version", "assets"]


def test_a_database_that_comes_late_is_waited_for() -> None:
    """A migration that starts before its database makes the tables once it has come."""
    with DatabaseServer(apart=True) as server:
        database = server.database
        server.stop()
        with ThreadPoolExecutor(1) as pool:
            migration = pool.submit(migrate, database)
            server.start()
            done = migration.result()
        assert done.returncode == 0, done.stdout + done.stderr
        assert steps(done)[-2:] == ["migrated", "up to date"]
        assert tables(database) == ["alembic_version", "assets"]


def test_a_newer_database_is_left_alone(server: Database) -> None:
    """After a rollback the older version finds tables of a later one, and works with them."""
    database = server.another()
    migrate(database)
    with database.connect() as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    done = migrate(database)
    assert (done.returncode, steps(done)) == (0, ["newer than this version"])


def test_a_failure_says_why_and_no_password(server: Database) -> None:
    """A migration that may not do its work ends with 1, its reason, and no password."""
    database = server.another()
    with database.connect() as connection:
        connection.execute("CREATE TABLE assets (id int)")
    done = migrate(database)
    assert done.returncode == 1
    assert steps(done) == ["failed"]
    assert "already exists" in done.stdout
    assert database.password not in done.stdout + done.stderr
    assert tables(database) == ["assets"]


@pytest.mark.parametrize("url", ["", "mysql://a@b/c", "postgresql://hunter2"])
def test_a_wrong_setting_is_named(url: str) -> None:
    """A migration without a valid address ends with 2 and names the setting, not its value."""
    done = migrate(Database(f"postgresql://a@b:{free_port()}/c", ""), ASSETS_DATABASE_URL=url)
    assert done.returncode == 2
    assert done.stderr.startswith("setting ASSETS_DATABASE_URL: ")
    assert "hunter2" not in done.stderr
