"""What one owner may have: so many notes."""

import logging
import time
from typing import Final

from pymongo import ASCENDING
from pymongo.errors import PyMongoError

from notes.database import QUERY_MILLISECONDS, Notes

logger = logging.getLogger(__name__)

# Made by whichever replica looks first. It takes long where there are many notes already: until it is
# there nobody is counted, rather than made to wait, and it is asked for again after this.
_OF_OWNER: Final = [("owner", ASCENDING)]
AGAIN_SECONDS = 30.0


class TooManyNotesError(Exception):
    """The owner has as many notes as one may have."""

    def __init__(self, most: int) -> None:
        """Say how many that are."""
        super().__init__(f"an owner may have {most} notes; delete some first")


class Owners:
    """Counts the notes of an owner, before there is one more.

    Notes that come at the same moment are counted at the same moment, so a few more may be kept: the
    bound is there for the disk, and is no promise.
    """

    def __init__(self, notes: Notes, most: int) -> None:
        """Say how many notes one may have."""
        self._notes = notes
        self._most = most
        self._indexed = False
        self._asked = -AGAIN_SECONDS

    async def admit(self, owner: str) -> None:
        """Raise `TooManyNotesError` if an owner can have no more."""
        if not self._indexed:
            await self._ask_for_index()
        if not self._indexed:
            return
        counted = await self._notes.count_documents(
            {"owner": owner}, limit=self._most, maxTimeMS=QUERY_MILLISECONDS
        )
        if counted >= self._most:
            raise TooManyNotesError(self._most)

    async def _ask_for_index(self) -> None:
        now = time.monotonic()
        if now - self._asked < AGAIN_SECONDS:
            return
        self._asked = now
        try:
            await self._notes.create_index(_OF_OWNER)
        except PyMongoError as error:
            logger.warning("owners are not counted yet", extra={"error": str(error)[:300]})
        else:
            self._indexed = True
