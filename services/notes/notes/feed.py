"""The feed: hands each change to everybody who listens to this replica."""

import asyncio
import contextlib
import logging
from collections import deque
from typing import Final

from pymongo.errors import PyMongoError

from notes.changes import (
    KEPT_MILLISECONDS,
    Change,
    Changes,
    Kind,
    changes_since,
    milliseconds_now,
    record_change,
)

logger = logging.getLogger(__name__)

# How far a listener may fall behind before its stream ends.
MAX_WAITING = 200

# How often the changes of other replicas are read, and how late one of them may become readable: a
# write that takes longer has failed (`ANSWER_MILLISECONDS` of the database).
POLL_SECONDS = 1.0
LATE_MILLISECONDS = 3000

# Changes that are known, so that none is handed on twice; more than one reading brings.
_MAX_KNOWN: Final = 2000


class FeedFullError(Exception):
    """The replica has all the listeners that it takes, or is about to stop."""


class Listener:
    """One open stream, and the changes that wait to be sent on it."""

    def __init__(self) -> None:
        """Start with nothing waiting."""
        self.late = False
        self.ended = asyncio.Event()
        self._waiting: deque[Change] = deque()
        self._woken = asyncio.Event()

    def offer(self, change: Change) -> None:
        """Let a change wait; end a stream that takes none."""
        if len(self._waiting) >= MAX_WAITING:
            self.late = True
            self.end()
            return
        self._waiting.append(change)
        self._woken.set()

    def end(self) -> None:
        """Stop: no change comes after this."""
        self._waiting.clear()
        self.ended.set()
        self._woken.set()

    async def next_change(self, seconds: float) -> Change | None:
        """Wait for a change, so long at most: None if none came, or if the stream has ended."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._woken.wait(), seconds)
        change = self._waiting.popleft() if self._waiting else None
        if not self._waiting and not self.ended.is_set():
            self._woken.clear()
        return change


class Feed:
    """The listeners, and the changes that they have been told."""

    def __init__(self, changes: Changes, max_listeners: int) -> None:
        """Say where other replicas tell what they did, and how many may listen."""
        self._max_listeners = max_listeners
        self._changes = changes
        self._listeners: set[Listener] = set()
        self._listened_to = asyncio.Event()
        self._known: dict[str, Change] = {}
        self._read_at = 0
        self._closed = False

    async def listen(self, after: str | None = None) -> Listener:
        """Add a listener; first it gets what happened after the change that it names.

        Raise `FeedFullError` if no more can be taken.
        """
        await self._read()
        if self._closed or len(self._listeners) >= self._max_listeners:
            raise FeedFullError
        listener = Listener()
        for change in self._known.values():
            if after is not None and change.id > after:
                listener.offer(change)
        self._listeners.add(listener)
        self._listened_to.set()
        return listener

    def leave(self, listener: Listener) -> None:
        """Forget a listener."""
        self._listeners.discard(listener)
        if not self._listeners:
            self._listened_to.clear()

    async def announce(self, kind: Kind, note_id: str, version: int) -> None:
        """Tell a change to those who listen here, and by the database to all others."""
        self._hand_on(await record_change(self._changes, kind, note_id, version))

    async def follow(self) -> None:
        """Hand on what other replicas did, for as long as anybody listens; never return."""
        while True:
            await self._listened_to.wait()
            await asyncio.sleep(POLL_SECONDS)
            try:
                await self._read()
            except PyMongoError as error:
                logger.warning("changes not read", extra={"error": str(error)[:300]})

    async def close_when(self, stopping: asyncio.Event) -> None:
        """End all listeners when the process is told to stop, and take no more."""
        await stopping.wait()
        self._closed = True
        for listener in self._listeners:
            listener.end()

    async def _read(self) -> None:
        now = milliseconds_now()
        since = max(self._read_at - LATE_MILLISECONDS, now - KEPT_MILLISECONDS)
        for change in await changes_since(self._changes, since):
            self._hand_on(change)
        self._read_at = now

    def _hand_on(self, change: Change) -> None:
        if change.id in self._known:
            return
        self._known[change.id] = change
        if len(self._known) > _MAX_KNOWN:
            del self._known[next(iter(self._known))]
        for listener in self._listeners:
            listener.offer(change)
