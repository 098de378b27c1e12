"""The HTTP face of the commands and queries."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response

from notes import commands, queries
from notes.commands import CreateNote, UpdateNote
from notes.database import Notes
from notes.documents import known_note_id
from notes.queries import Cursor, NoteMatches, NotePage, NoteView, PageLimit, SearchNotes

router = APIRouter(prefix="/notes", tags=["notes"])


async def stored_notes(request: Request) -> Notes:
    """Hand a route the collection that the app opened at its start."""
    notes: Notes = request.app.state.notes
    return notes


async def path_note_id(note_id: str) -> str:
    """Take the id from the path; one that cannot exist is a note that does not."""
    return known_note_id(note_id)


Store = Annotated[Notes, Depends(stored_notes)]
NoteId = Annotated[str, Depends(path_note_id)]


@router.get("/")
async def list_notes(
    notes: Store,
    limit: Annotated[PageLimit, Query()] = 20,
    after: Annotated[Cursor | None, Query()] = None,
) -> NotePage:
    """List notes, newest first."""
    return await queries.list_notes(notes, limit, after)


@router.post("/search")
async def search_notes(notes: Store, query: SearchNotes) -> NoteMatches:
    """Find notes by a text in title or body."""
    return await queries.search_notes(notes, query)


@router.get("/{note_id}")
async def get_note(notes: Store, note_id: NoteId) -> NoteView:
    """Read one note."""
    return await queries.get_note(notes, note_id)


@router.post("/", status_code=201)
async def create_note(notes: Store, command: CreateNote, response: Response) -> NoteView:
    """Create a note."""
    document = await commands.create_note(notes, command)
    response.headers["Location"] = f"/notes/{document['_id']}"
    return NoteView.of(document)


@router.put("/{note_id}")
async def update_note(notes: Store, note_id: NoteId, command: UpdateNote) -> NoteView:
    """Replace a note's content."""
    return NoteView.of(await commands.update_note(notes, note_id, command))


@router.delete("/{note_id}", status_code=204)
async def delete_note(notes: Store, note_id: NoteId) -> None:
    """Remove a note."""
    await commands.delete_note(notes, note_id)
