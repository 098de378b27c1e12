"""What one owner may keep: so many bytes, in so many files."""

from typing import NamedTuple
from uuid import UUID

from assets.database import Connection, Pool, connected
from assets.problems import Refusal

# The index of lists leads to an owner's rows, and the bound on their number bounds the sum.
_KEPT = "SELECT count(*), coalesce(sum(size), 0)::bigint FROM assets WHERE owner = %s"

# Locks of two numbers, the second of them of the owner: a space of their own in this database.
_LOCK = "SELECT pg_advisory_xact_lock(%s, hashtext(%s))"
_LOCKS_OF_OWNERS = 402_731


class NoRoomLeftError(Refusal):
    """The file does not fit into what its owner has left."""

    status = 413


class TooManyFilesError(Refusal):
    """The owner has as many files as one may have."""

    status = 403


class Quota(NamedTuple):
    """The most that one owner may keep."""

    most_bytes: int
    most_files: int

    def refusal(self, room: int) -> str:
        """Say what one may keep, and what is left of it."""
        return f"an owner may keep {self.most_bytes} bytes, and {max(room, 0)} are left"


async def room_of(pool: Pool, owner: UUID, quota: Quota) -> int:
    """Tell how many bytes an owner has left. Raise `TooManyFilesError` if no file is left."""
    async with connected(pool) as connection:
        return await _room_left(connection, owner, quota)


async def hold(connection: Connection, owner: UUID, size: int, quota: Quota) -> None:
    """Hold, to the end of the transaction, what a file takes. Raise if it does not fit.

    Of an owner's uploads that end at the same moment one after the other is looked at, whichever
    replica has them; so together they keep no more than each of them alone might.
    """
    # A statement of its own: the next one then sees what was committed while this one waited.
    await connection.execute(_LOCK, [_LOCKS_OF_OWNERS, str(owner)])
    room = await _room_left(connection, owner, quota)
    if size > room:
        raise NoRoomLeftError(quota.refusal(room))


async def _room_left(connection: Connection, owner: UUID, quota: Quota) -> int:
    row = await (await connection.execute(_KEPT, [owner])).fetchone()
    files, kept = (0, 0) if row is None else row
    if files >= quota.most_files:
        raise TooManyFilesError(f"an owner may keep {quota.most_files} files; delete some first")
    return quota.most_bytes - int(kept)
