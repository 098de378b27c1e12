"""What reads notes."""

import re
from datetime import datetime
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field
from pymongo import DESCENDING

from notes.database import QUERY_MILLISECONDS, Notes
from notes.documents import NOTE_ID_PATTERN, NoteDocument, NoteNotFoundError

PageLimit = Annotated[int, Field(ge=1, le=100)]
Cursor = Annotated[str, Field(pattern=NOTE_ID_PATTERN)]


class NoteView(BaseModel):
    """A note as clients see it."""

    id: str
    title: str
    body: str
    version: int
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, document: NoteDocument) -> Self:
        """Show a stored note."""
        return cls(
            id=document["_id"],
            title=document["title"],
            body=document["body"],
            version=document["version"],
            created_at=document["created_at"],
            updated_at=document["updated_at"],
        )


class NotePage(BaseModel):
    """Some notes, newest first, and the cursor of the page after them; null at the end."""

    notes: list[NoteView]
    next: str | None


class NoteMatches(BaseModel):
    """The newest notes that match."""

    notes: list[NoteView]


class SearchNotes(BaseModel):
    """A text to look for."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    text: Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00]*$")]
    limit: PageLimit = 20


async def list_notes(notes: Notes, limit: int, after: str | None) -> NotePage:
    """List up to `limit` notes, newest first: the newest of all, or those after a cursor."""
    wanted = {} if after is None else {"_id": {"$lt": after}}
    # One more than asked for tells whether there is a next page.
    found = await _newest(notes, wanted, limit + 1)
    shown = found[:limit]
    return NotePage(notes=shown, next=shown[-1].id if len(found) > limit else None)


async def get_note(notes: Notes, note_id: str) -> NoteView:
    """Read one note. Raise `NoteNotFoundError` if there is none."""
    document = await notes.find_one({"_id": note_id})
    if document is None:
        raise NoteNotFoundError
    return NoteView.of(document)


async def search_notes(notes: Notes, query: SearchNotes) -> NoteMatches:
    """Find notes that hold the text in title or body, as it is written but in any case.

    This reads every note in turn; the query's time limit bounds it.
    """
    text = {"$regex": re.escape(query.text), "$options": "i"}
    found = await _newest(notes, {"$or": [{"title": text}, {"body": text}]}, query.limit)
    return NoteMatches(notes=found)


async def _newest(notes: Notes, wanted: dict[str, Any], limit: int) -> list[NoteView]:
    cursor = notes.find(wanted, max_time_ms=QUERY_MILLISECONDS).sort("_id", DESCENDING).limit(limit)
    return [NoteView.of(document) async for document in cursor]
