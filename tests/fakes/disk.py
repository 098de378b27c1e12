"""A file system in memory: folders, files and symbolic links, filled from tar archives.

Paths are texts without a slash at either end; the root is "". Thousands of them are looked up in each
test of a release, so that paths as objects would take a tenth of all tests' time.
"""

from __future__ import annotations

import io
import posixpath
import tarfile
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.errors import EngineError, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator


class Link(NamedTuple):
    """A symbolic link."""

    target: str


class Folder(NamedTuple):
    """A folder; what is in it stands beside it under longer paths."""


Entry = str | Link | Folder  # a file is its text


class Disk:
    """What a volume holds, by path from its root."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {"": Folder()}

    def unpack(self, folder: str, archive: bytes) -> None:
        """Put what a tar archive holds into a folder that exists."""
        base = self._resolve(folder)
        if not isinstance(self._entries.get(base), Folder):
            raise NotFound(f"there is no folder `{folder}`")
        with tarfile.open(fileobj=io.BytesIO(archive)) as source:
            for member in source:
                path = join(base, member.name)
                content = source.extractfile(member) if member.isfile() else None
                if content is not None:
                    self._entries[path] = content.read().decode()
                elif member.islnk():
                    self._entries[path] = self.read(join(base, member.linkname))
                elif member.issym():
                    self._entries[path] = Link(member.linkname)
                else:
                    self._entries.setdefault(path, Folder())

    def pack(self, folder: str) -> bytes:
        """Return what is in a folder as a tar archive."""
        base = self._resolve(folder)
        if not isinstance(self._entries.get(base), Folder):
            raise NotFound(f"there is no folder `{folder}`")
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w") as archive:
            for path in self.paths(base):
                entry, member = self._entries[path], tarfile.TarInfo(f"./{path[len(base) + 1 :]}")
                if isinstance(entry, Link):
                    member.type, member.linkname = tarfile.SYMTYPE, entry.target
                elif isinstance(entry, Folder):
                    member.type = tarfile.DIRTYPE
                content = entry.encode() if isinstance(entry, str) else b""
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return buffer.getvalue()

    def read(self, path: str) -> str:
        """Return a file's text; folders on the way may be links."""
        entry = self._entries.get(self._resolve(path))
        if not isinstance(entry, str):
            raise NotFound(f"there is no file `{path}`")
        return entry

    def names(self, folder: str) -> list[str]:
        """Return what is in a folder."""
        base = self._resolve(folder)
        if base not in self._entries:
            raise NotFound(f"there is no folder `{folder}`")
        start = len(join(base, "x")) - 1
        inside = (path[start:] for path in self._entries if _is_below(path, base))
        return sorted(name for name in inside if "/" not in name)

    def make(self, folder: str) -> None:
        """Make a folder and those on the way to it, unless they are there."""
        for path in _heads(folder):
            self._entries.setdefault(path, Folder())

    def put(self, path: str, text: str) -> None:
        """Write a file."""
        self._entries[path] = text

    def target(self, path: str) -> str | None:
        """Return where a link leads; None where there is none."""
        entry = self._entries.get(path)
        return entry.target if isinstance(entry, Link) else None

    def paths(self, folder: str) -> list[str]:
        """Return everything under a folder, however deep."""
        base = self._resolve(folder)
        return sorted(path for path in self._entries if _is_below(path, base))

    def link(self, path: str, target: str) -> None:
        """Let a name stand for another path."""
        self._entries[path] = Link(target)

    def remove(self, path: str) -> None:
        """Remove a name and what is under it; none there is fine."""
        for known in [known for known in self._entries if known == path or _is_below(known, path)]:
            del self._entries[known]

    def _resolve(self, path: str, hops: int = 0) -> str:
        """Return the path with every folder on its way that is a link replaced."""
        if hops > 8:
            raise EngineError(f"too many links on the way to `{path}`")
        for head in _heads(path):
            entry = self._entries.get(head)
            if isinstance(entry, Link):
                target = posixpath.normpath(join(posixpath.dirname(head), entry.target))
                return self._resolve(target + path[len(head) :], hops + 1)
        return path


def join(folder: str, *names: str) -> str:
    """Return the path of what is in a folder, or deeper."""
    return "/".join((folder, *names) if folder else names)


def _heads(path: str) -> Iterator[str]:
    """Yield the folders on the way to a path, and the path itself."""
    ends = (at for at, letter in enumerate(path) if letter == "/")
    yield from (path[:end] for end in ends)
    yield path


def _is_below(path: str, folder: str) -> bool:
    """Whether a path leads into a folder."""
    return path.startswith(f"{folder}/") if folder else path != ""
