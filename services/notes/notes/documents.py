"""A note as it is stored, and its id."""

import os
import re
import time
from datetime import UTC, datetime
from typing import NotRequired, TypedDict
from uuid import UUID

NOTE_ID_PATTERN = r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"


class NoteDocument(TypedDict):
    """The write side: one note, whole."""

    _id: str
    title: str
    body: str
    owner: NotRequired[str]  # notes from before there were users have none
    version: int
    created_at: datetime
    updated_at: datetime


class NoteNotFoundError(Exception):
    """No note has this id."""


class NotTheOwnerError(Exception):
    """The note belongs to somebody else, or to nobody."""


class VersionConflictError(Exception):
    """The note has moved on since the client read it."""

    def __init__(self, current: int) -> None:
        """Keep the version that the note has now."""
        super().__init__(f"the note is at version {current}")
        self.current = current


def new_note_id() -> str:
    """Make an id (UUID version 7) that sorts by time, to a quarter of a microsecond.

    So the newest notes are the last of `_id`'s own index, whichever replica made them, and an id
    is all that a page has to remember.
    """
    milliseconds, rest = divmod(time.time_ns(), 1_000_000)
    fraction = rest * 4096 // 1_000_000
    random = int.from_bytes(os.urandom(8)) >> 2
    return str(UUID(int=milliseconds << 80 | 7 << 76 | fraction << 64 | 2 << 62 | random))


def known_note_id(text: str) -> str:
    """Return `text` if it can be a note's id. Raise `NoteNotFoundError` if it cannot."""
    if re.fullmatch(NOTE_ID_PATTERN, text) is None:
        raise NoteNotFoundError
    return text


def stored_now() -> datetime:
    """Tell the time in whole milliseconds, which is what the database keeps."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
