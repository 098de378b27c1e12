"""Strict users on raw sockets: nothing is sent twice, no announcement is honoured.

A kept connection is used as long as it takes requests, after pauses of any length. Whoever finds it
closed has lost a request by that. Every user is one more client to the gateway's buckets.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 60.0  # seconds for an answer
PIECE = b"x" * 512
PIECE_EVERY = 0.2  # seconds between the pieces of an upload


class Answer(NamedTuple):
    """Who answered a request; Unix times."""

    began: float
    ended: float
    version: str


@dataclass
class Account:
    """What became of the requests of one kind of user."""

    answers: list[Answer] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    connections: int = 0
    closed: int = 0  # of them, by the other side

    @property
    def sent(self) -> int:
        """Return how many requests were sent."""
        return len(self.answers) + len(self.lost)


@dataclass
class Crowd:
    """All of them; whole once they have left."""

    kept: Account = field(default_factory=Account)
    uploads: Account = field(default_factory=Account)

    @property
    def accounts(self) -> tuple[Account, Account]:
        """Return the account of each kind."""
        return self.kept, self.uploads


@contextmanager
def present(
    port: int, users: int, idle: tuple[float, float], uploads: tuple[float, ...] = ()
) -> Iterator[Crowd]:
    """Have so many users send while the block runs, each idle for `idle` seconds between requests.

    Each of `uploads` is always in flight, for that many seconds. Those who idle at the end send a
    last request, to show that they can.
    """
    crowd, over = Crowd(), threading.Event()
    thread = threading.Thread(
        target=lambda: asyncio.run(_stay(crowd, port, users, idle, uploads, over)), name="crowd"
    )
    thread.start()
    try:
        yield crowd
    finally:
        over.set()
        thread.join()


async def _stay(
    crowd: Crowd,
    port: int,
    users: int,
    idle: tuple[float, float],
    uploads: tuple[float, ...],
    over: threading.Event,
) -> None:
    ended = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        for number in range(users):
            user = User(f"kept-{number}", port, crowd.kept, ended)
            group.create_task(user.come_back(idle))
        for number, seconds in enumerate(uploads):
            user = User(f"upload-{number}", port, crowd.uploads, ended)
            group.create_task(user.upload(seconds))
        while not over.is_set():  # noqa: ASYNC110  set by another thread
            await asyncio.sleep(0.1)
        ended.set()


class User:
    """One of them, with one connection at a time."""

    def __init__(self, name: str, port: int, account: Account, over: asyncio.Event) -> None:
        self._name = name
        self._port = port
        self._account = account
        self._over = over
        self._random = Random(name)  # noqa: S311  the same pauses in every run
        self._wire: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def come_back(self, idle: tuple[float, float]) -> None:
        """Post, idle, and post again on the same connection."""
        shortest, longest = idle
        body = b'{"by": "kept"}'
        last = False
        while not last:
            last = self._over.is_set()
            await self._ask(body, 0)
            if not last:  # as many short pauses as long ones
                await self._rest(shortest * (longest / shortest) ** self._random.random())
        self._hang_up()

    async def upload(self, seconds: float) -> None:
        """Have a body on its way all the time."""
        while not self._over.is_set():
            pieces = max(1, round(seconds / PIECE_EVERY))
            await self._ask(PIECE * pieces, seconds)
        self._hang_up()

    async def _rest(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._over.wait(), seconds)
        except TimeoutError:
            return

    async def _ask(self, body: bytes, seconds: float) -> None:
        """Send a request, its body over so many seconds, and write down what became of it."""
        began = time.time()
        try:
            async with asyncio.timeout(seconds + PATIENCE):
                if self._wire is None:
                    self._wire = await asyncio.open_connection("127.0.0.1", self._port)
                    self._account.connections += 1
                reader, writer = self._wire
                began = time.time()
                await self._send(writer, body, seconds)
                status, version, keeps = await _receive(reader)
        except (OSError, EOFError, ValueError, TimeoutError) as error:
            self._lose(f"{time.time():.3f} {self._name}: {type(error).__name__} {error}")
            return
        if status != 200:  # the connection is as good as before
            self._account.lost.append(f"{time.time():.3f} {self._name}: status {status}")
        else:
            self._account.answers.append(Answer(began, time.time(), version))
        if not keeps:
            self._account.closed += 1
            self._hang_up()

    async def _send(self, writer: asyncio.StreamWriter, body: bytes, seconds: float) -> None:
        head = (
            f"POST / HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nUser-Agent: {self._name}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        writer.write(head.encode())
        size = len(PIECE) if seconds else len(body)
        for start in range(0, len(body), size):
            writer.write(body[start : start + size])
            await writer.drain()
            if seconds and not self._over.is_set():
                await self._rest(PIECE_EVERY)

    def _lose(self, what: str) -> None:
        self._account.lost.append(what)
        if self._wire is not None:
            self._account.closed += 1
            self._hang_up()

    def _hang_up(self) -> None:
        if self._wire is not None:
            self._wire[1].close()
            self._wire = None


async def _receive(reader: asyncio.StreamReader) -> tuple[int, str, bool]:
    """Return the status, the version that answered, and whether the connection is kept.

    Raises EOFError where the connection ends before, ValueError where the answer is no answer.
    """
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
    first, *lines = head.strip().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    body = await reader.readexactly(int(headers["content-length"]))
    status = int(first.split()[1])
    version = json.loads(body).get("version", "") if status == 200 else ""
    return status, str(version), headers.get("connection") != "close"
