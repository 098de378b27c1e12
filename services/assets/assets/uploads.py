"""The upload: a turn, the file, its place, its row."""

import asyncio
from uuid import UUID, uuid4

from fastapi import Request

from assets.catalog import Asset, NewAsset, OutcomeUnknownError, add_asset
from assets.clients import client_of
from assets.database import Pool
from assets.kinds import kind_of
from assets.pace import Pace
from assets.quota import Quota, room_of
from assets.reception import Limits, announced, form_of, receive, refuse_too_large
from assets.settings import Settings
from assets.storage import Folder, PartFile, in_thread
from assets.turns import Client, Turns


class Uploads:
    """Takes uploads, some at once."""

    def __init__(self, folder: Folder, settings: Settings) -> None:
        """Say where files go, and what bounds them."""
        self._folder = folder
        self._settings = settings
        self._quota = Quota(settings.owner_bytes, settings.owner_files)
        self._turns = Turns()
        # Looking into images costs memory of its own.
        self._looks = asyncio.Semaphore(2)

    async def take(self, request: Request, owner: UUID, pool: Pool) -> Asset:
        """Store the file of a request and its row. On any failure neither is left."""
        form = form_of(request)
        refuse_too_large(self._limits(), 0, announced(request))
        pace = Pace(self._settings.least_speed, self._settings.patience_seconds)
        async with self._turns.of(Client(owner, client_of(request)), pace):
            limits = self._limits(await room_of(pool, owner, self._quota))
            # What is refused here need not be sent. What is not refused here is looked at again.
            refuse_too_large(limits, 0, announced(request))
            await in_thread(self._folder.refuse_if_full, announced(request))
            with PartFile(self._folder) as part:
                name = await receive(request, form, part, pace, limits)
                return await self._keep(part, name, owner, pool)

    def _limits(self, room: int | None = None) -> Limits:
        """Say what an upload may take: of anybody, or of an owner who has this room left."""
        most, longest = self._settings.max_bytes, self._settings.longest_seconds
        if room is None or room >= most:
            return Limits(most, f"a file may have {most} bytes", longest)
        return Limits(room, self._quota.refusal(room), longest)

    async def _keep(self, part: PartFile, name: str, owner: UUID, pool: Pool) -> Asset:
        """Publish the file, then store its row, so that no row is ever without its file."""
        async with self._looks:
            kind = await in_thread(kind_of, part.path, is_text=part.is_text)
        new = NewAsset(
            id=uuid4(),
            owner=owner,
            name=name,
            size=part.size,
            sha256=part.sha256,
            **kind._asdict(),
        )
        await in_thread(part.publish, new.id)
        try:
            asset = await add_asset(pool, new, self._quota)
        except OutcomeUnknownError:
            part.keep()  # its row may be there; if it is not, the sweep removes the file
            raise
        part.keep()
        return asset
