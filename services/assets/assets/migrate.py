"""Bring the database's tables to the newest form: `python -m assets.migrate`."""

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
from pydantic import ValidationError

from assets.database import connection_options
from assets.logs import configure_logs
from assets.server import refusal
from assets.settings import DatabaseSettings

WAIT_SECONDS = 30.0
PAUSE_SECONDS = 0.2

# Whoever else migrates at the same time is waited for.
LOCK = 4_027_310_002
LOCK_SECONDS = 120


def main() -> int:
    """Migrate. Return 0 when the tables have the newest form, 1 if not, 2 for wrong settings."""
    try:
        settings = DatabaseSettings.model_validate(dict(os.environ))
    except ValidationError as error:
        return refusal(error)
    configure_logs(settings.log_level)
    try:
        with locked(settings) as connection:
            upgrade(settings, current_revision(connection))
    except psycopg.Error as error:
        say("failed", error=str(error).strip()[:300])
        return 1
    return 0


@contextmanager
def locked(settings: DatabaseSettings) -> Iterator[psycopg.Connection]:
    """Let one migrate at a time. The lock ends with its connection, however that ends."""
    with waited_for(settings) as connection:
        connection.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'")
        connection.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        yield connection


def waited_for(settings: DatabaseSettings) -> psycopg.Connection:
    """Connect, and give the database some time to come."""
    deadline = time.monotonic() + WAIT_SECONDS
    waiting = False
    while True:
        try:
            return psycopg.connect(settings.database_url, **connection_options(settings))
        except psycopg.OperationalError:
            if time.monotonic() > deadline:
                raise
        if not waiting:
            say("waiting for the database")
            waiting = True
        time.sleep(PAUSE_SECONDS)  # noqa: TID251  there is nothing to wait on but the clock


def current_revision(connection: psycopg.Connection) -> str | None:
    """Tell which form the tables have. None: there are none yet."""
    made = connection.execute("SELECT to_regclass('alembic_version')").fetchone()
    if made is None or made[0] is None:
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def upgrade(settings: DatabaseSettings, current: str | None) -> None:
    """Run the migrations that are missing, all of them or none."""
    # Late, because nothing but this needs them.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from sqlalchemy.exc import DBAPIError

    config = Config()
    config.set_main_option("script_location", "assets:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["settings"] = settings
    config.attributes["say"] = say
    known = {step.revision for step in ScriptDirectory.from_config(config).walk_revisions()}
    if current is not None and current not in known:
        # A rollback: a later version has been here, and left what this one can work with.
        say("newer than this version", revision=current)
        return
    try:
        command.upgrade(config, "head")
    except DBAPIError as error:
        raise psycopg.DatabaseError(str(error.orig)) from error
    say("up to date")


def say(step: str, **more: str) -> None:
    """Write one step as a line of JSON."""
    sys.stdout.write(json.dumps({"service": "assets", "step": step, **more}) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
