"""The upload: from the socket to the disk in small pieces, whatever the size of the file."""

import asyncio
from uuid import UUID, uuid4

from fastapi import Request

from assets.catalog import Asset, NewAsset, OutcomeUnknownError, add_asset
from assets.database import Pool
from assets.kinds import kind_of
from assets.multipart import Form, WrongTypeError
from assets.problems import Refusal
from assets.storage import Folder, PartFile, in_thread
from assets.turns import Turns

# What a form may hold beside the file.
ENVELOPE_BYTES = 64 * 2**10

# Gathered before it is written; this and one chunk is what an upload needs of memory. Of crumbs
# less is gathered, as each is an object with a head larger than itself.
WRITE_BYTES = 256 * 2**10
WRITE_PIECES = 1000

# A client may pause this long.
IDLE_SECONDS = 30.0


class TooLargeError(Refusal):
    """The file is larger than files may be."""

    status = 413


class TooSlowError(Refusal):
    """The client stopped sending, and did not go on."""

    status = 408


class Uploads:
    """Takes uploads, some at once."""

    def __init__(self, folder: Folder, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._turns = Turns()
        # Looking into images costs memory of its own.
        self._looks = asyncio.Semaphore(2)

    async def take(self, request: Request, owner: UUID, pool: Pool) -> Asset:
        """Store the file of a request and its row. On any failure neither is left."""
        form = self._form_of(request)
        async with self._turns.of(owner):
            with PartFile(self._folder) as part:
                await self._receive(request, form, part)
                return await self._keep(part, form.finish(), owner, pool)

    def _form_of(self, request: Request) -> Form:
        """Refuse at once what the headers show to be no upload, or one too large."""
        form = Form(request.headers.get("content-type", ""))
        if request.headers.get("content-encoding", "identity").lower() != "identity":
            raise WrongTypeError("the body must not be compressed")
        if int(request.headers.get("content-length", "0")) > self._max_bytes + ENVELOPE_BYTES:
            raise self._too_large()
        return form

    def _too_large(self) -> TooLargeError:
        return TooLargeError(f"a file may have {self._max_bytes} bytes")

    async def _receive(self, request: Request, form: Form, part: PartFile) -> None:
        taken = held = size = 0
        pieces: list[bytes] = []
        chunks = request.stream()
        while True:
            try:
                async with asyncio.timeout(IDLE_SECONDS):
                    chunk = await anext(chunks, None)
            except TimeoutError:
                raise TooSlowError("the upload stalled") from None
            if chunk is None:
                break
            taken += len(chunk)
            found = form.feed(chunk)
            fresh = sum(map(len, found))
            size += fresh
            held += fresh
            if size > self._max_bytes or taken > self._max_bytes + ENVELOPE_BYTES:
                raise self._too_large()
            pieces += found
            if held >= WRITE_BYTES or len(pieces) >= WRITE_PIECES:
                await in_thread(part.write, pieces)
                pieces, held = [], 0
        form.finish()
        await in_thread(part.write, pieces)

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
            asset = await add_asset(pool, new)
        except OutcomeUnknownError:
            part.keep()  # its row may be there; if it is not, the sweep removes the file
            raise
        part.keep()
        return asset
