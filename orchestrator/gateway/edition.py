"""Which files of which versions the gateway has, and who gets them from it: pure.

A client of a color asks that color for what its version has. What only other versions have is the
gateway's to answer: it is somebody who still has a page of one of these.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.stack.model import Color

MOST_LINKS = 50_000  # of each color; the oldest versions go first


class Content(NamedTuple):
    """What a file holds."""

    hash: str  # SHA-256, in hexadecimal digits
    size: int  # bytes


@dataclass(frozen=True)
class Stored:
    """The files of one version."""

    id: str  # what they were copied from: image, container and folders
    version: str
    copied: int  # Unix time
    seen: int | None  # Unix time when users were last known to get the version; None: never
    files: Mapping[str, Content]  # by their paths at the public door, without the first `/`

    @property
    def size(self) -> int:
        """Return how many bytes its files have."""
        return sum(content.size for content in self.files.values())


@dataclass(frozen=True)
class Edition:
    """All that is stored for a service, and which version each color has; never changed, only replaced."""

    versions: tuple[Stored, ...] = ()
    colors: Mapping[Color, str] = field(default_factory=dict)  # the ids of their versions

    def find(self, identity: str | None) -> Stored | None:
        """Return the version of an id; None where it is not stored."""
        return next((one for one in self.versions if one.id == identity), None)

    def put(self, color: Color, stored: Stored) -> Edition:
        """Return it with another version at a color."""
        others = tuple(one for one in self.versions if one.id != stored.id)
        return Edition((*others, stored), {**self.colors, color: stored.id})

    def without(self, color: Color) -> Edition:
        """Return it without a version at a color: of that one nobody knows what it has."""
        return replace(self, colors={c: one for c, one in self.colors.items() if c != color})

    def see(self, identity: str, now: int) -> Edition:
        """Return it with a version that users get now."""
        versions = (replace(v, seen=now) if v.id == identity else v for v in self.versions)
        return replace(self, versions=tuple(versions))

    def thin(self, now: int, keep: float, most: int) -> Edition:
        """Return it without what is no longer to be stored.

        Both colors' versions stay. Of others, those that users had within `keep` seconds, the latest
        first, as long as all files together have `most` bytes at most, each content counted once.
        """
        known: dict[str, int] = {}
        links = 0
        left: set[str] = set()
        for stored in self._latest_first():
            contents = known | {one.hash: one.size for one in stored.files.values()}
            many = links + len(stored.files)
            fits = sum(contents.values()) <= most and many <= MOST_LINKS
            lately = stored.seen is not None and now - stored.seen <= keep
            if stored.id in self.colors.values() or (lately and fits):
                left.add(stored.id)
                known, links = contents, many
        return replace(self, versions=tuple(one for one in self.versions if one.id in left))

    def links(self, color: Color) -> dict[str, Content]:
        """Return what clients of a color get from the gateway: of each path the latest content.

        A name that is a file in one version and a folder in another is what it is in the later one.
        Nothing, where nobody knows what the color's own version has.
        """
        own = self.find(self.colors.get(color))
        found: dict[str, Content] = {}
        folders: set[str] = set()
        for stored in self._latest_first() if own else ():
            for path, content in stored.files.items():
                above = {*list_folders(path)}
                taken = path in found or path in folders or not above.isdisjoint(found)
                if stored is not own and path not in (own.files if own else ()) and not taken:
                    found[path] = content
                    folders |= above
        return found

    def contents(self) -> dict[str, int]:
        """Return the sizes of all contents, by their hashes."""
        return {c.hash: c.size for stored in self.versions for c in stored.files.values()}

    def others(self) -> tuple[Stored, ...]:
        """Return what is stored of versions that are at no color, the latest first."""
        at_colors = self.colors.values()
        return tuple(one for one in self._latest_first() if one.id not in at_colors)

    def _latest_first(self) -> list[Stored]:
        """Return versions in the order of who had them last; both colors' own before all."""
        at_colors = self.colors.values()
        return sorted(
            self.versions,
            key=lambda one: (one.id in at_colors, one.seen or one.copied, one.copied),
            reverse=True,
        )


def list_folders(path: str) -> Iterator[str]:
    """Yield the folders on the way to a path, the outermost first."""
    yield from (path[:at] for at, letter in enumerate(path) if letter == "/")


def to_text(edition: Edition) -> str:
    """Write an edition as JSON."""
    versions = [
        {
            "id": one.id,
            "version": one.version,
            "copied": one.copied,
            "seen": one.seen,
            "files": {path: [*content] for path, content in one.files.items()},
        }
        for one in edition.versions
    ]
    return json.dumps({"colors": dict(edition.colors), "versions": versions})


def parse_edition(text: str) -> Edition | None:
    """Read an edition; None where it is none."""
    try:
        raw = json.loads(text)
        versions = tuple(
            Stored(
                id=str(one["id"]),
                version=str(one["version"]),
                copied=int(one["copied"]),
                seen=None if one["seen"] is None else int(one["seen"]),
                files={
                    path: Content(str(hashed), int(size))
                    for path, (hashed, size) in one["files"].items()
                },
            )
            for one in raw["versions"]
        )
        colors = {c: str(one) for c, one in raw["colors"].items() if c in ("blue", "green")}
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        return None
    return Edition(versions, colors)
