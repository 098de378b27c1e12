"""What keeps the read side like the write side, also after a crash between the two."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from pymongo import ASCENDING
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import PyMongoError

from notes.cards import CardWrite, shown, withdrawn, write_cards
from notes.changes import Kind, forget_old_changes
from notes.database import Store
from notes.documents import NoteDocument
from notes.feed import Feed

logger = logging.getLogger(__name__)

# However many notes there are, comparing takes a twentieth of the time at most.
REST_FACTOR = 20

# After a failure: soon, because a replica is not ready before its read side is.
RETRY_SECONDS = 0.5

# What is read, and mended, at a time.
VERSIONS_BATCH = 1000
CARDS_BATCH = 100

# Marks that the read side has been made whole once. From then on a replica is ready at once: what
# can be missing is what a crash left.
_CARDS_MADE: Final = {"_id": "note_cards"}

_END: Final = ("\U0010ffff", 0)  # sorts behind every id


class Projector:
    """Follows each command on the read side, and compares both sides from time to time."""

    def __init__(self, store: Store, feed: Feed, rest_seconds: float) -> None:
        """Say what to follow, whom to tell, and how long to rest between two comparisons.

        So long may a note stay unlisted that a crash left without its card.
        """
        self.complete = asyncio.Event()
        self._store = store
        self._feed = feed
        self._rest_seconds = rest_seconds
        self._behind = asyncio.Event()

    async def show(self, note: NoteDocument, kind: Kind) -> None:
        """Write the card of a note that has been created or changed."""
        await self._follow(shown(note), kind, note)

    async def withdraw(self, note: NoteDocument) -> None:
        """Remove the card of a note that has been deleted."""
        await self._follow(withdrawn(note["_id"]), "deleted", note)

    async def keep_up(self) -> None:
        """Compare both sides and mend the cards, at once and then at intervals; never return."""
        while True:
            started = time.monotonic()
            try:
                await self._catch_up()
                rest = max(self._rest_seconds, REST_FACTOR * (time.monotonic() - started))
            except PyMongoError as error:
                logger.warning("cards not compared", extra={"error": str(error)[:300]})
                await asyncio.sleep(RETRY_SECONDS)
                continue
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._behind.wait(), rest)

    async def _follow(self, write: CardWrite, kind: Kind, note: NoteDocument) -> None:
        # The command is done: what fails from here on is made good by a comparison, which comes now.
        try:
            await follow(self._store, [write])
            await self._feed.announce(kind, note["_id"], note["version"])
        except PyMongoError as error:
            logger.warning("a card is behind", extra={"error": str(error)[:300]})
            self._behind.set()

    async def _catch_up(self) -> None:
        self._behind.clear()
        if await self._store.marks.find_one(_CARDS_MADE) is not None:
            self.complete.set()
        mended = 0
        async for ids in batches(differing_ids(self._store)):
            mended += await mend_cards(self._store, ids)
        if mended:
            logger.info("cards mended", extra={"cards": mended})
        if not self.complete.is_set():
            await self._store.marks.update_one(_CARDS_MADE, {"$set": {"made": True}}, upsert=True)
            self.complete.set()
        await forget_old_changes(self._store.changes)


async def differing_ids(store: Store) -> AsyncIterator[str]:
    """Tell which notes have no card or an old one, and which cards have no note.

    Both sides come sorted by id, so this holds no more than a batch of each. What is written
    meanwhile may be told as well, which does no harm.
    """
    notes, cards = versions(store.notes), versions(store.cards)
    note, card = await next_of(notes), await next_of(cards)
    while note != _END or card != _END:
        first = min(note[0], card[0])
        if note != card:
            yield first
        if note[0] == first:
            note = await next_of(notes)
        if card[0] == first:
            card = await next_of(cards)


async def versions(collection: AsyncCollection[Any]) -> AsyncIterator[tuple[str, int]]:
    """Read the id and the version of every document, by id."""
    found = collection.find({}, {"version": 1}, batch_size=VERSIONS_BATCH).sort("_id", ASCENDING)
    async with found:
        async for one in found:
            yield one["_id"], one["version"]


async def next_of(found: AsyncIterator[tuple[str, int]]) -> tuple[str, int]:
    """Take one more, or what sorts behind all."""
    async for one in found:
        return one
    return _END


async def batches(ids: AsyncIterator[str]) -> AsyncIterator[list[str]]:
    """Take ids together, so many at a time."""
    batch = []
    async for one in ids:
        batch.append(one)
        if len(batch) == CARDS_BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


async def mend_cards(store: Store, ids: list[str]) -> int:
    """Make the cards of these ids what the notes are now. Return how many have changed by it."""
    notes = {note["_id"]: note async for note in store.notes.find({"_id": {"$in": ids}})}
    return await follow(
        store, [shown(notes[one]) if one in notes else withdrawn(one) for one in ids]
    )


async def follow(store: Store, writes: Sequence[CardWrite]) -> int:
    """Write cards of notes that are written already. Return how many have changed by it.

    Between a note and its card somebody may have deleted both. The card that is then made anew is
    of no note, so each new one is looked after; whoever deletes later removes it as well.
    """
    written = await write_cards(store.cards, writes)
    if written.made:
        found = store.notes.find({"_id": {"$in": written.made}}, {"_id": 1})
        kept = {note["_id"] async for note in found}
        if gone := [withdrawn(one) for one in written.made if one not in kept]:
            await write_cards(store.cards, gone)
    return written.changed
