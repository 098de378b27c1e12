"""Bring the database to this version's schema: `python -m auth.migrate`.

Run once before a version's containers start. It goes forward only: a database that is further
already, as after a rollback, is left as it is. Any number may run at once; they take turns.
"""

import logging
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from alembic.command import upgrade
from alembic.config import Config
from pydantic import ValidationError
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from auth.logs import configure_logs
from auth.release import release_of
from auth.settings import DatabaseSettings, refusal

logger = logging.getLogger("auth.migrate")

# How long to wait for the database, and then for others who migrate it.
PATIENCE_SECONDS = 30.0
POLL_SECONDS = 0.2

# Any number that nobody else uses in this database.
LOCK = 4_837_201

# A change of a table waits for those who use it, and everybody after it waits for the change. So it
# gives up before users notice; nothing is changed then, and the release stops.
TABLE_LOCK_SECONDS = 5


def main() -> int:
    """Migrate. Return 0 when the database is far enough, 1 when it is not, 2 for wrong settings."""
    try:
        settings = DatabaseSettings.model_validate(dict(os.environ))
    except ValidationError as error:
        return refusal(error)
    configure_logs(settings.log_level)
    # As process 1 of a container it would not hear the signal. What is begun is rolled back.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    wanted = release_of(settings.service_version).schema
    try:
        with connected(settings.conninfo(connect_timeout=2)) as connection:
            migrate(connection, wanted)
    except (psycopg.Error, DBAPIError) as error:
        logger.error("not migrated", extra={"wanted": wanted, "error": str(error)[:500]})  # noqa: TRY400  the trace says no more
        return 1
    return 0


def migrate(connection: Connection, wanted: str) -> None:
    """Take the turn, look how far the database is, and do what is missing."""
    connection.execute(text(f"SET lock_timeout = '{PATIENCE_SECONDS:.0f}s'"))
    connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": LOCK})
    connection.execute(text(f"SET lock_timeout = '{TABLE_LOCK_SECONDS}s'"))
    connection.commit()
    found = schema_of(connection)
    connection.commit()
    if found >= wanted:
        logger.info("nothing to migrate", extra={"schema": found, "wanted": wanted})
        return
    config = Config(attributes={"connection": connection, "report": report})
    config.set_main_option("script_location", str(Path(__file__).with_name("migrations")))
    upgrade(config, wanted)
    logger.info("migrated", extra={"schema": wanted, "before": found})


def schema_of(connection: Connection) -> str:
    """Say how far the database is: the revision's number, or nothing."""
    if connection.scalar(text("SELECT to_regclass('alembic_version')")) is None:
        return ""
    return connection.scalar(text("SELECT version_num FROM alembic_version")) or ""


def report(**applied: Any) -> None:
    """Log one step."""
    step = applied["step"]
    logger.info("step done", extra={"to": step.up_revision_id, "does": step.up_revision.doc})


@contextmanager
def connected(conninfo: str) -> Iterator[Connection]:
    """Connect as soon as the database answers; its lock goes with the connection."""
    first = answering(conninfo)
    engine = create_engine("postgresql+psycopg://", creator=lambda: first, poolclass=NullPool)
    with engine.connect() as connection:
        yield connection


def answering(conninfo: str) -> psycopg.Connection:
    """Wait for the database, and say once that it has to be waited for."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    waiting = False
    while True:
        try:
            return psycopg.connect(conninfo)
        except psycopg.OperationalError as error:
            if time.monotonic() > deadline:
                raise
            if not waiting:
                logger.warning("waiting for the database", extra={"error": str(error)[:300]})
            waiting = True
        time.sleep(POLL_SECONDS)  # noqa: TID251  a real database is waited for


if __name__ == "__main__":
    sys.exit(main())
