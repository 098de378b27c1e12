"""The folder of files. Each is written beside its place, and comes into it whole or not at all."""

import asyncio
import codecs
import errno
import hashlib
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, ParamSpec, Self, TypeVar
from uuid import UUID, uuid4

import anyio
from starlette.concurrency import run_in_threadpool

from assets.problems import RETRY, Refusal

logger = logging.getLogger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

INCOMING = "incoming"
PART = ".part"

# Written pages count against the container's memory until they are on the disk.
SYNC_BYTES = 8 * 2**20

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_NOT_TEXT = bytes(set(range(32)) - set(b"\t\n\f\r\x1b")) + b"\x7f"


class StorageFullError(Refusal):
    """The disk has no room for the file."""

    status = 507

    def __init__(self) -> None:
        super().__init__("there is no room for the file")


class StorageAwayError(Refusal):
    """The folder cannot be written or read."""

    status = 503
    headers = RETRY

    def __init__(self) -> None:
        super().__init__("the storage does not answer")


class Reserve(NamedTuple):
    """What is left free of a disk: a share of it, or so many bytes, whichever is more."""

    percent: int
    bytes: int

    def room(self, disk: os.statvfs_result) -> int:
        """Tell how many bytes may still be written."""
        kept = max(disk.f_blocks * disk.f_frsize * self.percent // 100, self.bytes)
        return disk.f_bavail * disk.f_frsize - kept


class Folder:
    """The folder that all replicas share."""

    def __init__(self, root: Path, reserve: Reserve) -> None:
        """Say where it is, and what its disk must have left."""
        self.root = root
        self._reserve = reserve

    def refuse_if_full(self, size: int) -> None:
        """Raise `StorageFullError` if so many bytes more would leave too little free."""
        with told_apart():
            if size > self._reserve.room(os.statvfs(self.root)):
                raise StorageFullError

    def path(self, asset_id: UUID) -> Path:
        """Tell where an asset's file is: made of its id, and of nothing that a client sent."""
        name = asset_id.hex
        return self.root / name[:2] / name

    def writable(self) -> bool:
        """Tell whether files can be written."""
        return os.access(self.root, os.R_OK | os.W_OK | os.X_OK)

    def remove(self, asset_id: UUID) -> None:
        """Remove an asset's file, if it is there."""
        self.path(asset_id).unlink(missing_ok=True)


class PartFile:
    """A file that comes in. It leaves nothing behind unless it is published and kept."""

    def __init__(self, folder: Folder) -> None:
        """Name the file; it is made at the first write."""
        self.size = 0
        self.path = folder.root / INCOMING / f"{uuid4().hex}{PART}"
        self._folder = folder
        self._place: Path | None = None
        self._descriptor: int | None = None
        self._synced = 0
        self._sha256 = hashlib.sha256()
        self._text: codecs.IncrementalDecoder | None = codecs.getincrementaldecoder("utf-8")()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file and remove its names; what is kept has one more."""
        if self._descriptor is None:
            return
        os.close(self._descriptor)
        self._descriptor = None
        for name in (self.path, self._place):
            if name is not None:
                with suppress(OSError):  # the sweep removes what is left
                    name.unlink(missing_ok=True)

    @property
    def sha256(self) -> str:
        """The digest of what was written."""
        return self._sha256.hexdigest()

    @property
    def is_text(self) -> bool:
        """Whether what was written is UTF-8 text; asked for once it is whole."""
        return self._text is not None and not self._text.getstate()[0]

    def write(self, pieces: list[bytes]) -> None:
        """Append what came in, while the disk has room for it."""
        self._folder.refuse_if_full(sum(map(len, pieces)))
        with told_apart():
            descriptor = self._opened()
            for piece in pieces:
                write_all(descriptor, piece)
                self._sha256.update(piece)
                self._read_as_text(piece)
                self.size += len(piece)
            if self.size - self._synced >= SYNC_BYTES:
                self._sync(descriptor)

    def publish(self, asset_id: UUID) -> None:
        """Put the whole file in its place, durably. Never replace one that is there."""
        with told_apart():
            self._sync(self._opened())
            place = self._folder.path(asset_id)
            if not place.parent.is_dir():
                place.parent.mkdir(exist_ok=True)
                sync_folder(place.parent.parent)
            os.link(self.path, place)
            self._place = place
            sync_folder(place.parent)

    def keep(self) -> None:
        """Leave the published file in its place."""
        self._place = None

    def _opened(self) -> int:
        if self._descriptor is None:
            self.path.parent.mkdir(exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            self._descriptor = os.open(self.path, flags, 0o640)
        return self._descriptor

    def _sync(self, descriptor: int) -> None:
        os.fsync(descriptor)
        self._synced = self.size
        # What is on the disk need not stay in memory as well.
        os.posix_fadvise(descriptor, 0, self.size, os.POSIX_FADV_DONTNEED)

    def _read_as_text(self, piece: bytes) -> None:
        if self._text is None:
            return
        try:
            self._text.decode(piece)
        except UnicodeDecodeError:
            self._text = None
        else:
            if len(piece.translate(None, _NOT_TEXT)) != len(piece):
                self._text = None


@contextmanager
def told_apart() -> Iterator[None]:
    """Tell a full disk from one that fails."""
    try:
        yield
    except OSError as error:
        if error.errno in _NO_SPACE:
            raise StorageFullError from error
        raise StorageAwayError from error


async def in_thread(call: Callable[P, R], *given: P.args, **named: P.kwargs) -> R:
    """Do in a thread what waits for the disk.

    A request that is cancelled waits for its thread all the same, or it would close a file under
    the thread that writes to it.
    """
    working = asyncio.ensure_future(run_in_threadpool(call, *given, **named))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        # A scope cancels again and again what goes on in it, this wait too.
        with anyio.CancelScope(shield=True):
            await asyncio.wait([working])
        if not working.cancelled():
            working.exception()  # nobody is left to hear of it
        raise


def write_all(descriptor: int, piece: bytes) -> None:
    """Write to the end, however little the system takes at a time."""
    left = memoryview(piece)
    while left:
        left = left[os.write(descriptor, left) :]


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


async def remove_quietly(folder: Folder, asset_id: UUID) -> None:
    """Remove the file of an asset that is no more; what fails here is left to the sweep."""
    try:
        await in_thread(folder.remove, asset_id)
    except OSError as error:
        logger.warning("file was not removed", extra={"error": repr(error)})
