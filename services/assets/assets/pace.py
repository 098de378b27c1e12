"""Pace: how long a client that sends slowly is waited for.

A client has some seconds in hand. Waiting for it uses them up, and what it sends gives them back, at
the least speed that is asked for. So it is the speed over about the last half minute that counts, and
a byte now and then buys nothing. While others wait for its turn, it may fall behind by less.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from assets.problems import Refusal

# The share of the patience that is left while somebody waits who could have the client's turn.
CROWDED = 1 / 3


class TooSlowError(Refusal):
    """The client stopped sending, or sends too slowly for too long."""

    status = 408
    # What is still to come of the body is not waited for.
    headers = {"Connection": "close"}  # noqa: RUF012  nobody changes it


class Pace:
    """What one client has in hand."""

    def __init__(self, least_speed: int, patience_seconds: float) -> None:
        """Say how many bytes a second are asked for, and how far behind them one may fall."""
        self._least_speed = least_speed
        self._patience = self._in_hand = patience_seconds
        self._spared = 0.0
        self._waiting: asyncio.Timeout | None = None
        self._since = 0.0

    @asynccontextmanager
    async def waited_for(self) -> AsyncIterator[None]:
        """Wait for the client, here and nowhere else. Raise `TooSlowError` when it is too slow."""
        self._since = asyncio.get_running_loop().time()
        self._waiting = asyncio.timeout_at(self._end())
        try:
            async with self._waiting:
                yield
        except TimeoutError:
            if not self._waiting.expired():
                raise
            raise TooSlowError("the upload stalled, or was too slow") from None
        finally:
            self._waiting = None
            self._in_hand -= asyncio.get_running_loop().time() - self._since

    def credit(self, size: int) -> None:
        """Give back the seconds that so many bytes may take."""
        self._in_hand = min(self._patience, self._in_hand + size / self._least_speed)

    def hurry(self, *, crowded: bool) -> None:
        """Say whether somebody waits for this client's turn; it counts at once."""
        self._spared = self._patience * (1 - CROWDED) if crowded else 0.0
        if self._waiting is not None and not self._waiting.expired():
            self._waiting.reschedule(self._end())

    def _end(self) -> float:
        return self._since + self._in_hand - self._spared
