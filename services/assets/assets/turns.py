"""Turns: how many uploads are served at once, of everybody together and of one user."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID
from weakref import WeakValueDictionary

from assets.problems import RETRY, Refusal

# Uploads served at once, which bounds the memory of them all; others wait for their turn.
MAX_UPLOADS = 32
# A user who sends slowly, or on purpose never to an end, keeps nobody else from sending.
MAX_UPLOADS_OF_ONE = 8
TURN_SECONDS = 30.0


class TooManyError(Refusal):
    """More uploads at once than are served, for too long."""

    status = 503
    headers = RETRY


class Turns:
    """Gives out turns; who gets none waits."""

    def __init__(self) -> None:
        self._all = asyncio.Semaphore(MAX_UPLOADS)
        # Forgotten with the last upload of the user.
        self._of_one: WeakValueDictionary[UUID, asyncio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def of(self, user: UUID) -> AsyncIterator[None]:
        """Wait for a turn of a user's, and hold it. Raise `TooManyError` if none comes."""
        own = self._of_one.setdefault(user, asyncio.Semaphore(MAX_UPLOADS_OF_ONE))
        patience = asyncio.timeout(TURN_SECONDS)
        try:
            async with patience, own, self._all:
                patience.reschedule(None)  # the turn itself may last
                yield
        except TimeoutError:
            if not patience.expired():
                raise
            raise TooManyError("too many uploads at once") from None
