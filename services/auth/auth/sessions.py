"""Sessions: what a login begins and its chain of refresh tokens carries on.

A refresh token is 256 random bits, kept as a digest only, and good once: to use it is to swap it
for the next one. Whoever brings a used one again holds a copy, or did: so the whole session ends,
for both. That is strict on purpose: a client that sends one token twice has to log in again.
"""

import logging
import secrets
from hashlib import sha256
from uuid import UUID

from auth.database import Connection
from auth.problems import RefusedError

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 30 * 24 * 3600

# One login clears away at most so many tokens of its account.
PURGED_AT_ONCE = 1000


async def begin(connection: Connection, user_id: UUID) -> str:
    """Begin a session; return its first refresh token."""
    token = secrets.token_urlsafe(32)
    await connection.execute(
        """
        WITH begun AS (INSERT INTO sessions (user_id) VALUES (%s) RETURNING id)
        INSERT INTO refresh_tokens (digest, session_id, expires_at)
        SELECT %s, id, now() + make_interval(secs => %s) FROM begun
        """,
        (user_id, digest_of(token), REFRESH_SECONDS),
    )
    return token


async def carry_on(connection: Connection, token: str) -> tuple[UUID, str]:
    """Swap a refresh token for the next; return the user and that. Raise `RefusedError` (401)."""
    following = secrets.token_urlsafe(32)
    # One statement, so of many at once with the same token one finds it unused. A session may go on
    # for years without a login, so what it leaves behind is removed here too.
    cursor = await connection.execute(
        """
        WITH taken AS (
            UPDATE refresh_tokens AS token SET used_at = now() FROM sessions AS session
            WHERE token.digest = %s AND token.used_at IS NULL AND token.expires_at > now()
                AND session.id = token.session_id AND session.ended_at IS NULL
            RETURNING session.id, session.user_id
        ), added AS (
            INSERT INTO refresh_tokens (digest, session_id, expires_at)
            SELECT %s, id, now() + make_interval(secs => %s) FROM taken
        ), removed AS (
            DELETE FROM refresh_tokens
            WHERE session_id IN (SELECT id FROM taken) AND expires_at < now()
        )
        SELECT user_id FROM taken
        """,
        (digest_of(token), digest_of(following), REFRESH_SECONDS),
    )
    row = await cursor.fetchone()
    if row is None:
        await end_if_used(connection, token)
        raise RefusedError(401, "the refresh token is not valid", {"WWW-Authenticate": "Bearer"})
    return row[0], following


async def end_if_used(connection: Connection, token: str) -> None:
    """End the session of a token that was used before."""
    cursor = await connection.execute(
        """
        UPDATE sessions SET ended_at = now() FROM refresh_tokens AS token
        WHERE token.digest = %s AND token.used_at IS NOT NULL
            AND sessions.id = token.session_id AND sessions.ended_at IS NULL
        RETURNING sessions.id
        """,
        (digest_of(token),),
    )
    if row := await cursor.fetchone():
        logger.warning("a used refresh token came again", extra={"session": str(row[0])})


async def end(connection: Connection, token: str) -> None:
    """End the session that a token belongs to, if it belongs to any."""
    await connection.execute(
        """
        UPDATE sessions SET ended_at = now() FROM refresh_tokens AS token
        WHERE token.digest = %s AND sessions.id = token.session_id AND sessions.ended_at IS NULL
        """,
        (digest_of(token),),
    )


async def purge(connection: Connection, user_id: UUID) -> None:
    """Remove an account's sessions that are over, and the expired tokens of the others."""
    # Those that ended just now are left: a token of theirs may be on its way.
    await connection.execute(
        """
        DELETE FROM sessions WHERE user_id = %s AND (
            ended_at < now() - interval '1 hour' OR NOT EXISTS (
                SELECT FROM refresh_tokens WHERE session_id = sessions.id AND expires_at > now()
            )
        )
        """,
        (user_id,),
    )
    await connection.execute(
        """
        DELETE FROM refresh_tokens WHERE digest IN (
            SELECT digest FROM refresh_tokens JOIN sessions ON sessions.id = session_id
            WHERE user_id = %s AND expires_at < now() LIMIT %s
        )
        """,
        (user_id, PURGED_AT_ONCE),
    )


def digest_of(token: str) -> bytes:
    """Digest a token. It is random, so a plain digest cannot be turned back."""
    return sha256(token.encode()).digest()
