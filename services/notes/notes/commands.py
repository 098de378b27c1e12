"""What changes notes."""

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pymongo import ReturnDocument

from notes.database import Notes
from notes.documents import (
    NoteDocument,
    NoteNotFoundError,
    VersionConflictError,
    new_note_id,
    stored_now,
)


def without_nul(text: str) -> str:
    """Refuse NUL: it ends a string in too many places to be worth keeping."""
    if "\0" in text:
        message = "must not hold a NUL character"
        raise ValueError(message)
    return text


def not_blank(text: str) -> str:
    """Refuse a text of spaces only, which nobody could see in a list."""
    if not text.strip():
        message = "must hold more than spaces"
        raise ValueError(message)
    return text


Title = Annotated[
    str, Field(max_length=200), AfterValidator(without_nul), AfterValidator(not_blank)
]
Body = Annotated[str, Field(max_length=20_000), AfterValidator(without_nul)]


class CreateNote(BaseModel):
    """A note to be."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    title: Title
    body: Body = ""


class UpdateNote(BaseModel):
    """A note's whole new content, and the version that it replaces."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    title: Title
    body: Body = ""
    version: Annotated[int, Field(ge=1, lt=2**31)]


async def create_note(notes: Notes, command: CreateNote) -> NoteDocument:
    """Store a new note at version 1."""
    now = stored_now()
    document = NoteDocument(
        _id=new_note_id(),
        title=command.title,
        body=command.body,
        version=1,
        created_at=now,
        updated_at=now,
    )
    await notes.insert_one(document)
    return document


async def update_note(notes: Notes, note_id: str, command: UpdateNote) -> NoteDocument:
    """Replace the content of the version named. Of parallel writers exactly one succeeds.

    Raise `VersionConflictError` if the note has another version, `NoteNotFoundError` if none.
    """
    changed = await notes.find_one_and_update(
        {"_id": note_id, "version": command.version},
        {
            "$set": {"title": command.title, "body": command.body, "updated_at": stored_now()},
            "$inc": {"version": 1},
        },
        return_document=ReturnDocument.AFTER,
    )
    if changed is not None:
        return changed
    current = await notes.find_one({"_id": note_id})
    if current is None:
        raise NoteNotFoundError
    raise VersionConflictError(current["version"])


async def delete_note(notes: Notes, note_id: str) -> None:
    """Remove a note. Raise `NoteNotFoundError` if there is none."""
    if (await notes.delete_one({"_id": note_id})).deleted_count == 0:
        raise NoteNotFoundError
