"""What is taken out of a folder of a container: its files, and nothing that leads elsewhere."""

from __future__ import annotations

import hashlib
import tarfile
from contextlib import contextmanager
from tempfile import TemporaryFile
from typing import IO, TYPE_CHECKING, Self

from orchestrator.errors import CandidateError, EngineError, GatewayError
from orchestrator.gateway.edition import Content
from orchestrator.stack.quantities import write_bytes

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_FILES = 20_000
AROUND = 64 * 1024**2  # bytes of an archive beside the files: heads, and what is left out
AT_ONCE = 1024**2  # bytes


class Intake:
    """A folder as it was copied, on this machine's disk until the end of the context.

    Hidden files are left out, as web servers do, and so are links, devices and names that no address
    has. `left_out` counts the links and devices.
    """

    def __init__(self, path: str, most: int) -> None:
        self.files: dict[str, Content] = {}  # by their paths at the public door
        self.left_out = 0
        self._path = path.strip("/")
        self._size, self._most = 0, most  # bytes
        with self._writing():
            self._copy: IO[bytes] = TemporaryFile()  # noqa: SIM115  closed at the end of the context
        self._places: dict[str, tuple[int, int]] = {}  # where in it a content lies, by its hash

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._copy.close()

    def take(self, pieces: Iterable[bytes]) -> None:
        """Take a tar archive.

        Raises CandidateError where it is too much, EngineError where it is none, GatewayError where this
        machine has no room for it.
        """
        copied = 0
        for piece in pieces:
            copied += len(piece)
            if copied > self._most + AROUND:
                raise self._too_large()
            with self._writing():
                self._copy.write(piece)
        with self._writing():
            self._copy.seek(0)
        try:
            with tarfile.open(fileobj=self._copy, mode="r:") as archive:
                for member in archive:
                    self._take_member(archive, member)
        except tarfile.TarError as error:
            raise EngineError(f"what the engine has copied is no archive: {error}") from error

    def read(self, hashed: str) -> bytes:
        """Return the content of that hash."""
        start, size = self._places[hashed]
        self._copy.seek(start)
        return self._copy.read(size)

    def _take_member(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> None:
        inside = _clean(member.name)
        if member.isdir() or not inside or not inside.isprintable() or _is_hidden(inside):
            return
        path = f"{self._path}/{inside}".lstrip("/")
        first = f"{self._path}/{_clean(member.linkname)}".lstrip("/")
        if member.islnk() and first in self.files:  # a second name of a file
            self.files[path] = self.files[first]
        elif member.isreg():
            self.files[path] = self._hash(archive, member)
        else:
            self.left_out += 1
        self._size += self.files[path].size if path in self.files else 0
        if self._size > self._most:
            raise self._too_large()
        if len(self.files) > MOST_FILES:
            raise CandidateError(
                f"`assets` at `/{self._path}`: there are more than {MOST_FILES:,} files",
                "let `from` be the folder with what pages load, and no other",
            )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            told = f"`assets` at `/{self._path}`: this machine keeps no copy: {error.strerror}"
            raise GatewayError(
                told, "make room where it keeps what is temporary: `df -h /tmp`"
            ) from error

    def _too_large(self) -> CandidateError:
        return CandidateError(
            f"`assets` at `/{self._path}`: the files have more than {write_bytes(self._most)}",
            "raise `max_size`, or let `from` be the folder with what pages load, and no other",
        )

    def _hash(self, archive: tarfile.TarFile, member: tarfile.TarInfo) -> Content:
        content, digest = archive.extractfile(member), hashlib.sha256()
        while content is not None and (part := content.read(AT_ONCE)):
            digest.update(part)
        hashed = digest.hexdigest()
        self._places[hashed] = (member.offset_data, member.size)
        return Content(hashed, member.size)


def _clean(name: str) -> str:
    """Return a name of an archive that begins where the folder does; empty where it leads out of it."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    return "" if ".." in parts or name.startswith("/") else "/".join(parts)


def _is_hidden(path: str) -> bool:
    return any(part.startswith(".") for part in path.split("/"))
