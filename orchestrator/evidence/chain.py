"""The seals of one folder of releases, each of which names the one before."""

from __future__ import annotations

import fcntl
import hashlib
import os
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.clock import poll
from orchestrator.evidence.seal import (
    FILE,
    Link,
    Seal,
    claim_place,
    read_seal,
    sign,
    write_seal,
)
from orchestrator.reports import hash_own, list_folders, opened_folder, read_own

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.clock import Clock

PATIENCE = 10.0  # seconds; whoever seals is done in less than one


class Sealed(NamedTuple):
    """A seal as it was found."""

    seal: Seal
    sha256: str  # of its file


def read_seals(releases: Path) -> dict[str, Sealed]:
    """Return the seals of all releases by the names of their folders; unreadable ones are left out."""
    found = {name: _check(content) for name, content in _read_all(releases)}
    return {name: sealed for name, sealed in found.items() if sealed}


def find_head(seals: Mapping[str, Sealed]) -> Sealed | None:
    """Return the seal that was made last."""
    return max(
        seals.values(), key=lambda sealed: (sealed.seal.number, sealed.seal.release), default=None
    )


def read_head(releases: Path) -> Sealed | None:
    """Return the seal that was made last, as `find_head` does, without checking all the others."""
    claims = [(claim_place(content), content) for _, content in _read_all(releases)]
    placed = sorted((place, content) for place, content in claims if place)
    return next(filter(None, (_check(content) for _, content in reversed(placed))), None)


def _read_all(releases: Path) -> Iterator[tuple[str, str]]:
    """Yield the folders that have a seal, and its text, unchecked."""
    for folder in list_folders(releases):
        try:
            yield folder.name, read_own(folder / FILE).decode()
        except (OSError, ValueError):
            continue  # `evidence verify` says so


def _check(text: str) -> Sealed | None:
    try:
        return Sealed(read_seal(text), hashlib.sha256(text.encode()).hexdigest())
    except (ValueError, RecursionError):
        return None


def seal_folder(folder: Path, head: Sealed | None, key: bytes | None) -> str:
    """Return the text of the seal for a folder that is complete, after the one that was the last."""
    seal = Seal(
        release=folder.name,
        number=head.seal.number + 1 if head else 1,
        previous=Link(head.seal.release, head.sha256) if head else None,
        files={name: hash_own(folder / name) for name in list_files(folder) if name != FILE},
    )
    return write_seal(sign(seal, key) if key else seal)


def list_files(folder: Path) -> list[str]:
    """Return all that lies in a folder and is no folder itself, by its path from there."""
    found, start = [], len(f"{folder}/")
    for place, folders, files in os.walk(folder):
        links = [name for name in folders if Path(place, name).is_symlink()]
        found += [f"{place}/{name}"[start:] for name in files + links]
    return sorted(found)


@contextmanager
def last_in_line(releases: Path, clock: Clock) -> Iterator[None]:
    """Let one release at a time find the last seal and add its own.

    A stack has its lock, but several stacks may keep their evidence in one folder. Whoever waits
    too long goes on: two seals after the same one are no lie, and a release must end.
    """
    with opened_folder(releases) as descriptor:
        poll(lambda: _try_lock(descriptor), clock=clock, every=0.05, within=PATIENCE)
        yield


def _try_lock(descriptor: int) -> bool | None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return None
    except OSError:
        return False  # this file system has no locks
    return True
