"""The table of assets."""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table, and the index that lists follow."""
    op.execute("""
        CREATE TABLE assets (
            id           uuid PRIMARY KEY,
            owner        uuid NOT NULL,
            name         text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 200),
            size         bigint NOT NULL CHECK (size >= 0),
            sha256       text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
            content_type text NOT NULL,
            width        integer CHECK (width > 0),
            height       integer CHECK (height > 0),
            created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
            CHECK ((width IS NULL) = (height IS NULL))
        )
    """)
    op.execute("CREATE INDEX assets_of_owner ON assets (owner, created_at DESC, id DESC)")


def downgrade() -> None:
    """Remove the table. The files stay; the sweep spares them where no row is known."""
    op.execute("DROP TABLE assets")
