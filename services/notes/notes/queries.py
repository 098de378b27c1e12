"""What reads notes: cards for lists and searches, and one note whole."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pymongo import DESCENDING

from notes.cards import CardDocument, Cards, searchable
from notes.database import QUERY_MILLISECONDS, Notes
from notes.documents import NOTE_ID_PATTERN, NoteDocument, NoteNotFoundError

PageLimit = Annotated[int, Field(ge=1, le=100)]
Cursor = Annotated[str, Field(pattern=NOTE_ID_PATTERN)]


def in_utc(time: datetime) -> datetime:
    """Say that a time is in UTC, where the database has not kept that it is."""
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


StoredTime = Annotated[datetime, AfterValidator(in_utc)]


class NoteView(BaseModel):
    """A note, whole. The owner is null where nobody may change it."""

    id: str
    title: str
    body: str
    owner: str | None
    version: int
    created_at: StoredTime
    updated_at: StoredTime

    @classmethod
    def of(cls, note: NoteDocument) -> Self:
        """Show a stored note."""
        return cls(
            id=note["_id"],
            title=note["title"],
            body=note["body"],
            owner=note.get("owner"),
            version=note["version"],
            created_at=note["created_at"],
            updated_at=note["updated_at"],
        )


class CardView(BaseModel):
    """A note in short, with the start of its body."""

    id: str
    title: str
    excerpt: str
    owner: str | None
    version: int
    created_at: StoredTime
    updated_at: StoredTime

    @classmethod
    def of(cls, card: CardDocument) -> Self:
        """Show a stored card."""
        return cls(
            id=card["_id"],
            title=card["title"],
            excerpt=card["excerpt"],
            owner=card["owner"],
            version=card["version"],
            created_at=card["created_at"],
            updated_at=card["updated_at"],
        )


class NotePage(BaseModel):
    """Some notes, newest first, and the cursor of the page after them; null at the end."""

    notes: list[CardView]
    next: str | None


class NoteMatches(BaseModel):
    """The newest notes that match."""

    notes: list[CardView]


class SearchNotes(BaseModel):
    """A text to look for."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    text: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
    limit: PageLimit = 20


async def list_notes(cards: Cards, limit: int, after: str | None) -> NotePage:
    """List up to `limit` notes, newest first: the newest of all, or those after a cursor."""
    wanted = {} if after is None else {"_id": {"$lt": after}}
    # One more than asked for tells whether there is a next page.
    found = await _newest(cards, wanted, limit + 1)
    shown = found[:limit]
    return NotePage(notes=shown, next=shown[-1].id if len(found) > limit else None)


async def search_notes(cards: Cards, query: SearchNotes) -> NoteMatches:
    """Find notes that hold the text in title or body, as it is written but in any case.

    This reads every card in turn; the query's time limit bounds it.
    """
    text = {"$regex": re.escape(searchable(query.text))}
    return NoteMatches(notes=await _newest(cards, {"text": text}, query.limit))


async def get_note(notes: Notes, note_id: str) -> NoteView:
    """Read one note as it is at this moment. Raise `NoteNotFoundError` if there is none."""
    note = await notes.find_one({"_id": note_id})
    if note is None:
        raise NoteNotFoundError
    return NoteView.of(note)


async def _newest(cards: Cards, wanted: dict[str, Any], limit: int) -> list[CardView]:
    cursor = cards.find(wanted, max_time_ms=QUERY_MILLISECONDS).sort("_id", DESCENDING).limit(limit)
    return [CardView.of(card) async for card in cursor]
