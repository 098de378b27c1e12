"""How alembic reaches the database."""

from typing import Any

import psycopg
from alembic import context
from alembic.runtime.migration import MigrationInfo
from sqlalchemy import create_engine, pool

from assets.database import connection_options


def migrate() -> None:
    """Run the steps in one transaction, and say which."""
    attributes = context.config.attributes
    settings, say = attributes["settings"], attributes["say"]
    options = connection_options(settings) | {"autocommit": False}
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: psycopg.connect(settings.database_url, **options),
        poolclass=pool.NullPool,
    )

    def applied(ctx: Any, step: MigrationInfo, heads: Any, run_args: Any) -> None:  # noqa: ARG001
        say("migrated", revision=step.up_revision_id)

    with engine.connect() as connection:
        context.configure(connection=connection, on_version_apply=applied)
        with context.begin_transaction():
            context.run_migrations()


migrate()
