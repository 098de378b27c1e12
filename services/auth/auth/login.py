"""A login, from an e-mail and a password to a session."""

import logging
from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple
from uuid import UUID

from auth import sessions, throttle
from auth.database import Connection, Database
from auth.devices import Cookie, Devices
from auth.fields import Command, Email, Password, spellings
from auth.passwords import Passwords
from auth.problems import RefusedError
from auth.throttle import Client

logger = logging.getLogger(__name__)

# What a wrong password may be answered with; another spelling may still be right.
GUESSED = {401, 429}


class Login(Command):
    """What an account is entered with."""

    email: Email
    password: Password


class Guest(NamedTuple):
    """Who tries to log in: the digest of an address, and the cookies that came along."""

    address: bytes
    cookies: Mapping[str, str]


class Entered(NamedTuple):
    """A session that has begun: the user, the first refresh token, the cookie of the device."""

    user_id: UUID
    token: str
    cookie: Cookie


class Door:
    """Where logins come in."""

    def __init__(self, database: Database, passwords: Passwords, devices: Devices) -> None:
        """Say what a login takes."""
        self._database = database
        self._passwords = passwords
        self._devices = devices

    async def log_in(self, login: Login, guest: Guest) -> Entered:
        """Begin a session. Raise `RefusedError`.

        The same is done and said for an account that does not exist as for a wrong password. An
        address that earlier versions stored in another spelling is tried in both, each with its own
        counts and its own check of the password, whether or not there are such accounts.
        """
        refusal = None
        for email in spellings(login.email):
            try:
                return await self._enter(email, login.password, guest)
            except RefusedError as error:
                if error.status not in GUESSED:
                    raise
                if refusal is None or error.status > refusal.status:
                    refusal = error
        if refusal is None:
            raise RuntimeError("an address has one spelling at least")
        raise refusal

    async def _enter(self, email: str, password: str, guest: Guest) -> Entered:
        """Begin a session of one account. No connection is held while a password is checked."""
        account = sha256(email.encode()).digest()
        client = Client(guest.address, self._devices.known(guest.cookies, account))
        passwords = self._passwords
        async with self._database.connection() as connection:
            attempt = await throttle.admit(connection, account, client)
            user_id, stored = await account_of(connection, email)
        if not await passwords.matches(stored, password) or user_id is None or stored is None:
            async with self._database.connection() as connection:
                await throttle.count_failure(connection, attempt)
            logger.warning("a login failed")
            challenge = {"WWW-Authenticate": "Bearer"}
            raise RefusedError(401, "the e-mail or the password is wrong", challenge)
        fresh = await passwords.hash(password) if passwords.outdated(stored) else None
        async with self._database.connection() as connection:
            async with connection.transaction():
                await throttle.forgive(connection, attempt)
                if fresh is not None:
                    await replace_hash(connection, user_id, stored, fresh)
                token = await sessions.begin(connection, user_id)
            await sessions.purge(connection, user_id)
        return Entered(user_id, token, self._devices.cookie_for(account))


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
