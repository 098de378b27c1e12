"""What Alembic runs to get at the database: the connection that `auth.migrate` made."""

from alembic import context

given = context.config.attributes
context.configure(
    connection=given["connection"],
    on_version_apply=given["report"],
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
