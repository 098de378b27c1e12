"""The connections to PostgreSQL, and the bounds on waiting for it."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Self

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from auth.settings import DatabaseSettings

Connection = AsyncConnection[TupleRow]

CONNECTIONS = 8

# Waiting for one of the connections, which is also how long a request waits for a database that is
# away. Bursts are queued rather than refused.
QUEUE_SECONDS = 5.0

# All that a request does with a connection. The database gives its statements up a little earlier.
ANSWER_SECONDS = 5.0
STATEMENT_MILLISECONDS = 4000

# A kept connection that answers nothing for this long is dead.
CHECK_SECONDS = 1.0

# An attempt to connect that keeps failing is given up, and the next request makes a new one: the
# pool waits ever longer between its own attempts, and would find a returned database ever later.
CONNECT_SECONDS = 2


class Database:
    """A small pool that needs no database to start, and finds one whenever it comes back."""

    def __init__(self, settings: DatabaseSettings) -> None:
        """Say where the database is; nothing connects yet."""
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            settings.conninfo(
                connect_timeout=CONNECT_SECONDS,
                options=f"-c statement_timeout={STATEMENT_MILLISECONDS}",
            ),
            kwargs={"autocommit": True},  # what belongs together is in a `transaction()`
            min_size=1,
            max_size=CONNECTIONS,
            timeout=QUEUE_SECONDS,
            reconnect_timeout=CONNECT_SECONDS,
            check=answering,
            open=False,
        )

    async def __aenter__(self) -> Self:
        """Begin to connect, and wait for nothing."""
        await self._pool.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close the connections."""
        await self._pool.close()

    @asynccontextmanager
    async def connection(
        self, queue: float = QUEUE_SECONDS, answer: float = ANSWER_SECONDS
    ) -> AsyncIterator[Connection]:
        """Lend a connection for one piece of work. Raise `psycopg.Error` when it takes too long."""
        async with self._pool.connection(queue) as connection, limited(connection, answer):
            yield connection


async def answering(connection: Connection) -> None:
    """Ask a kept connection for a sign of life before it is lent: the database may have restarted."""
    async with limited(connection, CHECK_SECONDS):
        await connection.execute("")


@asynccontextmanager
async def limited(connection: Connection, seconds: float) -> AsyncIterator[None]:
    """Sever the connection if the work takes longer. The work then fails as it does at a loss."""
    timer = asyncio.get_running_loop().call_later(seconds, sever, connection)
    try:
        yield
    finally:
        timer.cancel()


def sever(connection: Connection) -> None:
    """Shut the socket down under a wait for an answer that never comes.

    To cancel the waiting task would be no better: the driver then asks the same database to cancel
    the statement, and waits for that.
    """
    if connection.closed:
        return
    with (
        suppress(OSError),  # the other end was faster
        socket.socket(fileno=os.dup(connection.pgconn.socket)) as twin,
    ):
        twin.shutdown(socket.SHUT_RDWR)
