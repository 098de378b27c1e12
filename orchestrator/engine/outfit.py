"""What a container is given beside its image and its volumes: files, memory and limits."""

from __future__ import annotations

import hashlib
import io
import tarfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class PackedFile:
    """A file that lies in a container before its process starts. It belongs to root."""

    path: str
    mode: int
    content: bytes = field(repr=False)

    def facts(self) -> list[object]:
        """Return what tells it from another: its content by a hash."""
        return [self.path, self.mode, hashlib.sha256(self.content).hexdigest()]


@dataclass(frozen=True)
class Memory:
    """A folder in memory: empty at each start, and gone with the process."""

    path: str
    size: int  # bytes


@dataclass(frozen=True)
class Ulimit:
    """A limit of the kernel for a process; -1 is none."""

    name: str
    soft: int
    hard: int


def pack_files(files: Iterable[PackedFile]) -> bytes:
    """Return a tar archive, to be unpacked at the root of a container.

    Folders are not in it: those that are there keep their rights, and the engine makes the others.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for file in files:
            entry = tarfile.TarInfo(file.path.lstrip("/"))
            entry.size, entry.mode = len(file.content), file.mode
            archive.addfile(entry, io.BytesIO(file.content))
    return buffer.getvalue()
