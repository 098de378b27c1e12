"""What changes notes: first the write side, which decides, and then the read side after it."""

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pymongo import ReturnDocument

from notes.database import Notes
from notes.documents import (
    NoteDocument,
    NoteNotFoundError,
    NotTheOwnerError,
    VersionConflictError,
    new_note_id,
    stored_now,
)
from notes.owners import Owners
from notes.projection import Projector
from notes.wording import visible


def without_nul(text: str) -> str:
    """Refuse NUL: it ends a string in too many places to be worth keeping."""
    if "\0" in text:
        message = "must not hold a NUL character"
        raise ValueError(message)
    return text


Title = Annotated[str, Field(max_length=200), AfterValidator(visible)]
Body = Annotated[str, Field(max_length=20_000), AfterValidator(without_nul)]
Version = Annotated[int, Field(ge=1, lt=2**31)]


class CreateNote(BaseModel):
    """A note to be."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    title: Title
    body: Body = ""


class UpdateNote(BaseModel):
    """A note's whole new content, and the version that it replaces unless `If-Match` names it."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    title: Title
    body: Body = ""
    version: Version | None = None


class Desk:
    """Takes the commands of one user."""

    def __init__(self, notes: Notes, owners: Owners, projector: Projector, user: str) -> None:
        """Say whose commands these are."""
        self._notes = notes
        self._owners = owners
        self._projector = projector
        self._user = user

    async def create(self, command: CreateNote) -> NoteDocument:
        """Store a new note at version 1. Raise `TooManyNotesError` if its owner has enough."""
        await self._owners.admit(self._user)
        now = stored_now()
        note = NoteDocument(
            _id=new_note_id(),
            title=command.title,
            body=command.body,
            owner=self._user,
            version=1,
            created_at=now,
            updated_at=now,
        )
        await self._notes.insert_one(note)
        await self._projector.show(note, "created")
        return note

    async def update(self, note_id: str, version: int, command: UpdateNote) -> NoteDocument:
        """Replace the content of the version named. Of parallel writers exactly one succeeds."""
        note = await self._notes.find_one_and_update(
            {"_id": note_id, "owner": self._user, "version": version},
            {
                "$set": {"title": command.title, "body": command.body, "updated_at": stored_now()},
                "$inc": {"version": 1},
            },
            return_document=ReturnDocument.AFTER,
        )
        if note is None:
            raise await self._refusal(note_id)
        await self._projector.show(note, "changed")
        return note

    async def delete(self, note_id: str, version: int | None) -> None:
        """Remove a note; only the version named, if one is."""
        wanted: dict[str, Any] = {"_id": note_id, "owner": self._user}
        if version is not None:
            wanted["version"] = version
        note = await self._notes.find_one_and_delete(wanted)
        if note is None:
            raise await self._refusal(note_id)
        await self._projector.withdraw(note)

    async def _refusal(self, note_id: str) -> Exception:
        """Find out why a note was not written."""
        note = await self._notes.find_one({"_id": note_id})
        if note is None:
            return NoteNotFoundError()
        if note.get("owner") != self._user:
            return NotTheOwnerError()
        return VersionConflictError(note["version"])
