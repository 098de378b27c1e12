"""What happened to notes lately: how a replica tells its listeners what another one did."""

import time
from typing import Literal, NamedTuple, TypedDict

from pymongo import DESCENDING
from pymongo.asynchronous.collection import AsyncCollection

from notes.documents import new_note_id

Kind = Literal["created", "changed", "deleted"]

# For so long a listener may come back, after a release or a broken connection, and miss nothing.
KEPT_MILLISECONDS = 60_000

# What one reading takes; only the newest matter where there are more.
MAX_CHANGES = 500


class ChangeDocument(TypedDict):
    """One change, as the database keeps it. Its id sorts by time."""

    _id: str
    at: int
    kind: Kind
    note: str
    version: int


class Change(NamedTuple):
    """What happened to which note."""

    id: str
    kind: Kind
    note_id: str
    version: int


Changes = AsyncCollection[ChangeDocument]


async def record_change(changes: Changes, kind: Kind, note_id: str, version: int) -> Change:
    """Store a change for the other replicas."""
    change = Change(new_note_id(), kind, note_id, version)
    await changes.insert_one(
        ChangeDocument(
            _id=change.id, at=milliseconds_now(), kind=kind, note=note_id, version=version
        )
    )
    return change


async def changes_since(changes: Changes, at: int) -> list[Change]:
    """Read the changes from a time on, oldest first."""
    newest_first = changes.find({"at": {"$gte": at}}).sort("at", DESCENDING).limit(MAX_CHANGES)
    found = [
        Change(one["_id"], one["kind"], one["note"], one["version"]) async for one in newest_first
    ]
    return sorted(found)


async def forget_old_changes(changes: Changes) -> None:
    """Remove what no listener may ask for any more."""
    await changes.delete_many({"at": {"$lt": milliseconds_now() - KEPT_MILLISECONDS}})


def milliseconds_now() -> int:
    """Tell the time as changes keep it."""
    return time.time_ns() // 1_000_000
