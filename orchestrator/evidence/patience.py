"""How long the witness waits: for an answer, between two requests, and at its end."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

PATIENCE = 30.0  # seconds until a request without an answer counts as lost
# The same once the witness is stopped, where answers have not taken longer before. Its last requests come
# at once; where the queue of an app's listener is short, Linux asks again for a connection after 1 s.
FAREWELL = 5.0
# Many connections and few requests, some twenty a second: what a switch can lose is the request
# that is being written then, or the connection that idles; more of the same proves no more, and
# takes the machine from the candidate that boots.
KEPT_CLIENTS = 20
SHORTEST_IDLE = 0.05  # seconds
LONGEST_IDLE = 60.0
BREATH = 1.0  # seconds that a client with shorter gaps idles every other time
FRESH_EVERY = 0.2  # seconds between two connections for one request each
SLOW_LASTS = 2.0  # seconds that a half-sent request takes
# Seconds that a client which woke up late still uses a connection that has idled for as long as is
# announced. The gateway keeps it for one more second, or longer.
OVERDUE = 0.5
SLOWER = 4  # times the slowest answer so far: that long a last one may take, too


class Patience:
    """One for all requests of a witness."""

    def __init__(self) -> None:
        self._slowest = 0.0  # seconds
        self._deadlines: set[asyncio.Timeout] = set()
        self._short = False

    def learn(self, seconds: float) -> None:
        """Remember how long an answer took."""
        self._slowest = max(self._slowest, seconds)

    def shorten(self) -> None:
        """From now on give what is unanswered only as long as any answer took, and more."""
        self._short = True
        for deadline in self._deadlines:
            self._bring_forward(deadline)

    @asynccontextmanager
    async def bounded(self) -> AsyncIterator[None]:
        """Raise TimeoutError where the block takes too long."""
        async with asyncio.timeout(PATIENCE) as deadline:
            self._deadlines.add(deadline)
            try:
                if self._short:
                    self._bring_forward(deadline)
                yield
            finally:
                self._deadlines.discard(deadline)

    def _bring_forward(self, deadline: asyncio.Timeout) -> None:
        patience = min(max(FAREWELL, SLOWER * self._slowest), PATIENCE)
        latest = asyncio.get_running_loop().time() + patience
        if not deadline.expired():
            deadline.reschedule(min(deadline.when() or latest, latest))


async def rest(seconds: float, *events: asyncio.Event) -> None:
    """Let time pass, or until one of these has happened."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    for wait in waits:
        wait.cancel()


def idle_gaps(keepalive: float, clients: int = KEPT_CLIENTS) -> list[float]:
    """Return idle gaps in seconds, evenly in proportion, from 0.05 s to what is announced."""
    longest = min(keepalive, LONGEST_IDLE)
    ratio = (longest / SHORTEST_IDLE) ** (1 / (clients - 1))
    return [SHORTEST_IDLE * ratio**step for step in range(clients - 1)] + [longest]
