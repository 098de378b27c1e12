"""The feed: hands each change to everybody who listens to this replica."""

import asyncio
import contextlib
import logging
from collections import Counter, deque
from typing import Final, NamedTuple

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


class AddressFullError(Exception):
    """The client's address has all the listeners that one may have."""


class Bounds(NamedTuple):
    """How many may listen to one replica."""

    all: int
    of_address: int


class Listener:
    """One open stream, and the changes that wait to be sent on it."""

    def __init__(self, address: str = "") -> None:
        """Start with nothing waiting."""
        self.address = address
        self.late = False
        self.ended = asyncio.Event()
        self._waiting: deque[Change] = deque()
        self._woken = asyncio.Event()

    def offer(self, change: Change) -> None:
        """Let a change wait; end a stream that takes none."""
        if len(self._waiting) >= MAX_WAITING:
            self.let_go()
            return
        self._waiting.append(change)
        self._woken.set()

    def let_go(self) -> None:
        """Stop, and let the client come back later."""
        self.late = True
        self.end()

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

    def __init__(self, changes: Changes, bounds: Bounds) -> None:
        """Say where other replicas tell what they did, and how many may listen."""
        self._bounds = bounds
        self._changes = changes
        self._listeners: dict[Listener, None] = {}  # in the order in which they came
        self._listened_to = asyncio.Event()
        self._known: dict[str, Change] = {}
        self._read_at = 0
        self._closed = False

    async def listen(self, address: str, after: str | None = None) -> Listener:
        """Add a listener; first it gets what happened after the change that it names.

        Raise `AddressFullError` or `FeedFullError` if no more can be taken. Where an address has
        fewer than another one, it is the other one's newest that has to go.
        """
        self._refuse(address)  # before the database is asked, which anybody may cause
        await self._read()
        self._refuse(address)
        if len(self._listeners) >= self._bounds.all:
            self._make_room(address)
        listener = Listener(address)
        for change in self._known.values():
            if after is not None and change.id > after:
                listener.offer(change)
        self._listeners[listener] = None
        self._listened_to.set()
        return listener

    def leave(self, listener: Listener) -> None:
        """Forget a listener."""
        self._listeners.pop(listener, None)
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

    def _refuse(self, address: str) -> None:
        if self._closed:
            raise FeedFullError
        if self._share()[address] >= self._bounds.of_address:
            raise AddressFullError

    def _make_room(self, address: str) -> None:
        """End a stream of the address with the most. Its client comes back, and misses nothing."""
        share = self._share()
        most = max(share, key=lambda other: share[other], default=address)
        # One that would have as many afterwards keeps them, or the two would push each other out.
        if share[most] <= share[address] + 1:
            raise FeedFullError
        newest = next(one for one in reversed(self._listeners) if one.address == most)
        del self._listeners[newest]
        newest.let_go()

    def _share(self) -> Counter[str]:
        return Counter(listener.address for listener in self._listeners)

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
