"""A file system in memory: folders, files and symbolic links, filled from tar archives."""

from __future__ import annotations

import io
import tarfile
from pathlib import PurePosixPath
from typing import NamedTuple

from orchestrator.errors import EngineError, NotFound


class Link(NamedTuple):
    """A symbolic link."""

    target: str


class Folder(NamedTuple):
    """A folder; what is in it stands beside it under longer paths."""


Entry = str | Link | Folder  # a file is its text


class Disk:
    """What a volume holds, by path from its root."""

    def __init__(self) -> None:
        self._entries: dict[PurePosixPath, Entry] = {PurePosixPath(): Folder()}

    def unpack(self, folder: PurePosixPath, archive: bytes) -> None:
        """Put what a tar archive holds into a folder that exists."""
        base = self._resolve(folder)
        if not isinstance(self._entries.get(base), Folder):
            raise NotFound(f"there is no folder `{folder}`")
        with tarfile.open(fileobj=io.BytesIO(archive)) as source:
            for member in source:
                path = base / member.name
                content = source.extractfile(member) if member.isfile() else None
                if content is not None:
                    self._entries[path] = content.read().decode()
                elif member.issym():
                    self._entries[path] = Link(member.linkname)
                else:
                    self._entries.setdefault(path, Folder())

    def read(self, path: PurePosixPath) -> str:
        """Return a file's text; folders on the way may be links."""
        entry = self._entries.get(self._resolve(path))
        if not isinstance(entry, str):
            raise NotFound(f"there is no file `{path}`")
        return entry

    def names(self, folder: PurePosixPath) -> list[str]:
        """Return what is in a folder."""
        base = self._resolve(folder)
        if base not in self._entries:
            raise NotFound(f"there is no folder `{folder}`")
        return sorted(path.name for path in self._entries if path != base and path.parent == base)

    def make(self, folder: PurePosixPath) -> None:
        """Make a folder and those on the way to it, unless they are there."""
        for path in (*reversed(folder.parents), folder):
            self._entries.setdefault(path, Folder())

    def put(self, path: PurePosixPath, text: str) -> None:
        """Write a file."""
        self._entries[path] = text

    def target(self, path: PurePosixPath) -> str | None:
        """Return where a link leads; None where there is none."""
        entry = self._entries.get(path)
        return entry.target if isinstance(entry, Link) else None

    def paths(self, folder: PurePosixPath) -> list[PurePosixPath]:
        """Return everything under a folder, however deep."""
        base = self._resolve(folder)
        return sorted(p for p in self._entries if p != base and p.is_relative_to(base))

    def link(self, path: PurePosixPath, target: str) -> None:
        """Let a name stand for another path."""
        self._entries[path] = Link(target)

    def remove(self, path: PurePosixPath) -> None:
        """Remove a name and what is under it; none there is fine."""
        for known in [known for known in self._entries if known.is_relative_to(path)]:
            del self._entries[known]

    def _resolve(self, path: PurePosixPath, hops: int = 0) -> PurePosixPath:
        """Return the path with every folder on its way that is a link replaced."""
        if hops > 8:
            raise EngineError(f"too many links on the way to `{path}`")
        for depth in range(1, len(path.parts) + 1):
            head = PurePosixPath(*path.parts[:depth])
            entry = self._entries.get(head)
            if isinstance(entry, Link):
                rest = path.parts[depth:]
                target = PurePosixPath(*_normal((*head.parent.parts, *entry.target.split("/"))))
                return self._resolve(target.joinpath(*rest), hops + 1)
        return path


def _normal(parts: tuple[str, ...]) -> list[str]:
    """Return the parts of a path without `..` in it."""
    found: list[str] = []
    for part in parts:
        if part == "..":
            found.pop()
        else:
            found.append(part)
    return found
