"""The read side: a card for each note, which is what lists and searches show."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypedDict

from pymongo import DeleteOne, UpdateOne
from pymongo.asynchronous.collection import AsyncCollection
from pymongo.errors import BulkWriteError

from notes.documents import NoteDocument

EXCERPT_CHARACTERS = 200

_DUPLICATE_KEY = 11000


class CardDocument(TypedDict):
    """What is shown of a note, and the text that searches look in."""

    _id: str
    title: str
    excerpt: str
    text: str
    owner: str | None
    version: int
    created_at: datetime
    updated_at: datetime


class Written(NamedTuple):
    """What a writing of cards has done."""

    changed: int
    made: list[str]  # the ids of those that were not there before


Cards = AsyncCollection[CardDocument]
CardWrite = UpdateOne | DeleteOne


def searchable(text: str) -> str:
    """Take the case out of a text. Searches are compared in this form, by the plainest query."""
    return text.casefold()


def shown(note: NoteDocument) -> CardWrite:
    """Say how a note's card is written: only over an older one, so a late write changes nothing.

    Where the card is as new or newer the filter finds none, and the insert that follows is refused
    by the id that exists.
    """
    card = {
        "title": note["title"],
        "excerpt": note["body"][:EXCERPT_CHARACTERS],
        "text": searchable(f"{note['title']}\n{note['body']}"),
        "owner": note.get("owner"),
        "version": note["version"],
        "created_at": note["created_at"],
        "updated_at": note["updated_at"],
    }
    older = {"_id": note["_id"], "version": {"$lt": note["version"]}}
    return UpdateOne(older, {"$set": card}, upsert=True)


def withdrawn(note_id: str) -> CardWrite:
    """Say how the card of a note that is gone is removed. No other note ever has its id."""
    return DeleteOne({"_id": note_id})


async def write_cards(cards: Cards, writes: Sequence[CardWrite]) -> Written:
    """Write cards, in any order and as often as you like."""
    result: Mapping[str, Any]
    try:
        result = (await cards.bulk_write(writes, ordered=False)).bulk_api_result
    except BulkWriteError as error:
        result = error.details or {}
        if not _only_newer_cards(result):
            raise
    changed = sum(result[count] for count in ("nUpserted", "nModified", "nRemoved"))
    return Written(changed, [one["_id"] for one in result.get("upserted", [])])


def _only_newer_cards(result: Mapping[str, Any]) -> bool:
    refused = result.get("writeErrors", [])
    return not result.get("writeConcernErrors") and all(
        one["code"] == _DUPLICATE_KEY for one in refused
    )
