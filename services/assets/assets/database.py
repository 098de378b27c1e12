"""The connection to PostgreSQL."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from psycopg import AsyncConnection
from psycopg.rows import TupleRow
from psycopg_pool import AsyncConnectionPool

from assets.settings import DatabaseSettings

Connection = AsyncConnection[TupleRow]
Pool = AsyncConnectionPool[Connection]

MAX_CONNECTIONS = 8

# Waiting for one of the pool's connections: how long a request waits while the database is away.
POOL_SECONDS = 5.0

# The database's answers to one request. Generous, because a slow answer is still an answer.
ANSWER_SECONDS = 3.0

# A connection that does not answer this soon before its use is taken for dead.
CHECK_SECONDS = 0.5

# libpq counts whole seconds, two at least.
CONNECT_SECONDS = 2

# How long the pool tries by itself. It doubles its pauses, so a long outage would make it slow to
# see the database's return; after this it starts afresh with the next request that asks.
RECONNECT_SECONDS = 1.0


def connection_options(settings: DatabaseSettings) -> dict[str, Any]:
    """Say how to connect, apart from where."""
    return {
        "password": settings.password,
        "connect_timeout": CONNECT_SECONDS,
        "application_name": "assets",
        "autocommit": True,
    }


def new_pool(settings: DatabaseSettings) -> Pool:
    """Make a pool. It connects at its first use, so a database that is away is no error here."""
    return AsyncConnectionPool(
        settings.database_url,
        kwargs=connection_options(settings),
        min_size=0,
        max_size=MAX_CONNECTIONS,
        open=False,
        check=answers,
        name="assets",
        timeout=POOL_SECONDS,
        reconnect_timeout=RECONNECT_SECONDS,
    )


@asynccontextmanager
async def connected(
    pool: Pool, wait: float = POOL_SECONDS, answer: float = ANSWER_SECONDS
) -> AsyncIterator[Connection]:
    """Borrow a connection: wait for it, and for all its answers together, for a bounded time."""
    async with pool.connection(timeout=wait) as connection, bounded(connection, answer):
        yield connection


async def answers(connection: Connection) -> None:
    """Raise if a connection that lay idle has died meanwhile."""
    async with bounded(connection, CHECK_SECONDS):
        await connection.execute("")


@asynccontextmanager
async def bounded(connection: Connection, seconds: float) -> AsyncIterator[None]:
    """Cut a connection whose server takes longer, so that what waits for it fails."""
    cutting = asyncio.get_running_loop().call_later(seconds, cut, connection)
    try:
        yield
    finally:
        cutting.cancel()


def cut(connection: Connection) -> None:
    """End a connection under whoever waits for it: they read its end, and raise.

    Cancelling instead would ask the server to agree, and this one does not answer.
    """
    if not connection.closed:
        with socket.socket(fileno=os.dup(connection.fileno())) as same:
            same.shutdown(socket.SHUT_RDWR)
