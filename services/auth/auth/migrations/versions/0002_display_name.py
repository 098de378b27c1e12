"""Expand: accounts may have a name to show. Version 1 neither reads nor writes it."""

from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Add the column. Without a default it rewrites no row, and the table is locked for a moment."""
    op.execute("ALTER TABLE users ADD COLUMN display_name text")
