"""A login, from an e-mail and a password to a session."""

import logging
from hashlib import sha256
from uuid import UUID

from auth import sessions, throttle
from auth.database import Connection, Database
from auth.fields import Command, Email, Password
from auth.passwords import Passwords
from auth.problems import RefusedError

logger = logging.getLogger(__name__)


class Login(Command):
    """What an account is entered with."""

    email: Email
    password: Password


async def log_in(
    database: Database, passwords: Passwords, login: Login, client: bytes
) -> tuple[UUID, str]:
    """Begin a session; return the user and the first refresh token. Raise `RefusedError`.

    The same is done and said for an account that does not exist as for a wrong password. No
    connection is held while a password is checked.
    """
    account = sha256(login.email.encode()).digest()
    async with database.connection() as connection:
        count = await throttle.admit(connection, account, client)
        user_id, stored = await account_of(connection, login.email)
    if not await passwords.matches(stored, login.password) or user_id is None or stored is None:
        async with database.connection() as connection:
            await throttle.count_failure(connection, count)
        logger.warning("a login failed")
        challenge = {"WWW-Authenticate": "Bearer"}
        raise RefusedError(401, "the e-mail or the password is wrong", challenge)
    fresh = await passwords.hash(login.password) if passwords.outdated(stored) else None
    async with database.connection() as connection:
        async with connection.transaction():
            await throttle.forgive(connection, count, client)
            if fresh is not None:
                await replace_hash(connection, user_id, stored, fresh)
            token = await sessions.begin(connection, user_id)
        await sessions.purge(connection, user_id)
    return user_id, token


async def account_of(connection: Connection, email: str) -> tuple[UUID | None, str | None]:
    """Find an account's id and its password's hash."""
    cursor = await connection.execute(
        "SELECT id, password_hash FROM users WHERE email = %s", (email,)
    )
    row = await cursor.fetchone()
    return (row[0], row[1]) if row else (None, None)


async def replace_hash(connection: Connection, user_id: UUID, stored: str, fresh: str) -> None:
    """Store a hash with today's parameters, unless the password has changed meanwhile."""
    await connection.execute(
        "UPDATE users SET password_hash = %s WHERE id = %s AND password_hash = %s",
        (fresh, user_id, stored),
    )
