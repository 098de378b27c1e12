"""Accounts, sessions with their tokens, and failed logins."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    op.execute("""
        CREATE TABLE users (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            email text NOT NULL UNIQUE,
            password_hash text NOT NULL,
            created_at timestamptz NOT NULL DEFAULT now()
        )
    """)
    op.execute("""
        CREATE TABLE sessions (
            id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
            user_id uuid NOT NULL REFERENCES users ON DELETE CASCADE,
            began_at timestamptz NOT NULL DEFAULT now(),
            ended_at timestamptz
        )
    """)
    op.execute("CREATE INDEX sessions_of_user ON sessions (user_id)")
    op.execute("""
        CREATE TABLE refresh_tokens (
            digest bytea PRIMARY KEY,
            session_id uuid NOT NULL REFERENCES sessions ON DELETE CASCADE,
            expires_at timestamptz NOT NULL,
            used_at timestamptz
        )
    """)
    op.execute("CREATE INDEX refresh_tokens_of_session ON refresh_tokens (session_id)")
    op.execute("""
        CREATE TABLE login_failures (
            account bytea NOT NULL,
            client bytea NOT NULL,
            failures integer NOT NULL DEFAULT 0,
            paused_until timestamptz NOT NULL DEFAULT now(),
            forgotten_at timestamptz NOT NULL DEFAULT now(),
            kept_until timestamptz NOT NULL DEFAULT now(),
            PRIMARY KEY (account, client)
        )
    """)
    op.execute("CREATE INDEX login_failures_kept_until ON login_failures (kept_until)")
