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
    """Notes that match, newest first, and the cursor of what was not looked at; null at the end."""

    notes: list[CardView]
    next: str | None


class SearchNotes(BaseModel):
    """A text to look for: in the newest notes, or in those after a cursor."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    text: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
    limit: PageLimit = 20
    after: Cursor | None = None


async def list_notes(cards: Cards, limit: int, after: str | None) -> NotePage:
    """List up to `limit` notes, newest first: the newest of all, or those after a cursor."""
    # One more than asked for tells whether there is a next page.
    found = await _newest(cards, _after(after), limit + 1)
    shown = found[:limit]
    return NotePage(notes=shown, next=shown[-1].id if len(found) > limit else None)


async def search_notes(cards: Cards, query: SearchNotes, most: int) -> NoteMatches:
    """Find notes that hold the text in title or body, as it is written but in any case.

    This reads every card in turn, and so no more than `most` of them for one request: where it stops
    is the cursor of the next one, which may find nothing and still lead on.
    """
    last = await _nth_card(cards, _after(query.after), most)
    text = {"$regex": re.escape(searchable(query.text))}
    searched = _after(query.after, until=last)
    # One more than asked for tells whether the limit or the end of what is read came first.
    found = await _newest(cards, {**searched, "text": text}, query.limit + 1)
    shown = found[: query.limit]
    return NoteMatches(notes=shown, next=shown[-1].id if len(found) > query.limit else last)


async def get_note(notes: Notes, note_id: str) -> NoteView:
    """Read one note as it is at this moment. Raise `NoteNotFoundError` if there is none."""
    note = await notes.find_one({"_id": note_id})
    if note is None:
        raise NoteNotFoundError
    return NoteView.of(note)


async def _newest(cards: Cards, wanted: dict[str, Any], limit: int) -> list[CardView]:
    cursor = cards.find(wanted, max_time_ms=QUERY_MILLISECONDS).sort("_id", DESCENDING).limit(limit)
    return [CardView.of(card) async for card in cursor]


async def _nth_card(cards: Cards, wanted: dict[str, Any], number: int) -> str | None:
    """Tell the id of the n-th newest card, from the index alone. None: there is none after it."""
    cursor = cards.find(wanted, {"_id": 1}, max_time_ms=QUERY_MILLISECONDS).sort("_id", DESCENDING)
    ids = [card["_id"] async for card in cursor.skip(number - 1).limit(2)]
    return ids[0] if len(ids) == 2 else None


def _after(cursor: str | None, until: str | None = None) -> dict[str, Any]:
    """Say which cards come after a cursor, up to an id; ids sort by time, and the newest come first."""
    bounds = {"$lt": cursor, "$gte": until}
    given = {name: one for name, one in bounds.items() if one is not None}
    return {"_id": given} if given else {}
