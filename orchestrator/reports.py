"""Files and folders below `reports/`. A checkout brings them, so none of them is trusted.

Nothing here is reached through a link: each folder on the way is opened without following one, and
what lies in it by the descriptor of that folder. A file is a regular one with one name, or it is
refused: a write through another name would change what lies elsewhere, and a pipe is waited for.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from orchestrator.errors import ConfigurationError, StackctlError
from orchestrator.files import replace_in, require_regular

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRIVATE, PUBLIC = 0o600, 0o666  # evidence holds logs; what lists it holds only names and figures
PRIVATE_FOLDER, PUBLIC_FOLDER = 0o700, 0o777
LARGEST = (
    256 * 1024**2
)  # bytes of a file that is read at once; a witness writes as much in half a day
FOLDER = os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
STEP = FOLDER | getattr(os, "O_PATH", os.O_RDONLY)  # to pass through needs no right to read
PLACES = ("", "releases", "bench", "jobs")  # that are written to


def find_reports(folder: Path, named: Path | None = None) -> Path:
    """Return where reports are kept: in `reports/` of a folder, or where somebody has `named` a place.

    Who names a place may do so by a link, but a checkout brings none. Raises ConfigurationError.
    """
    reports = folder / "reports" if named is None else named.resolve()
    for place in (reports / name for name in PLACES):
        if place.is_symlink():
            raise ConfigurationError(
                f"`{place}` is a link",
                "put a folder in its place: stackctl writes to `reports/` and follows no link there",
            )
    if named is not None and os.path.lexists(reports) and not reports.is_dir():
        raise ConfigurationError(
            f"`{named}` is no folder, and evidence is to be kept there",
            "name another one in `--reports` or STACKCTL_REPORTS",
        )
    return reports


def open_own(path: Path, flags: int = os.O_RDONLY) -> int:
    """Return a descriptor of a file, made privately where `flags` make it. Raises OSError."""
    with _opened(path.parent) as parent:
        try:
            # Without O_NONBLOCK a pipe that nobody writes to would be waited for.
            flags |= os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(path.name, flags, PRIVATE, dir_fd=parent)
        except OSError as error:
            raise _explain(error, path, path.name, parent) from error
    if require_regular(descriptor, path).st_nlink > 1:
        os.close(descriptor)
        raise OSError(errno.EMLINK, "it has another name elsewhere", str(path))
    return descriptor


def read_own(path: Path, most: int = LARGEST) -> bytes:
    """Return what a file of at most `most` bytes holds. Raises OSError."""
    with os.fdopen(open_own(path), "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most:,} bytes", str(path))
    return content


def hash_own(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal. Raises OSError."""
    with os.fdopen(open_own(path), "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def replace_own(path: Path, content: bytes, mode: int = PRIVATE) -> None:
    """Replace a file in one step, whatever had its name. Raises OSError."""
    with _opened(path.parent) as parent:
        replace_in(parent, path.name, content, mode)


def make_folder(path: Path, mode: int = PRIVATE_FOLDER, *, there: bool = False) -> None:
    """Make a folder, and those above it that are missing. Raises OSError.

    It may be there already only where `there` says so.
    """
    if not os.path.lexists(path.parent):
        make_folder(path.parent, PUBLIC_FOLDER, there=True)
    with _opened(path.parent) as parent:
        try:
            os.mkdir(path.name, mode, dir_fd=parent)
        except FileExistsError:
            if not there:
                raise
    with _opened(path):
        return  # it is no link


def remove_folder(path: Path) -> None:
    """Remove a folder and all that is in it. Raises OSError."""
    with _opened(path.parent) as parent:
        shutil.rmtree(path.name, dir_fd=parent)


def list_folders(path: Path) -> list[Path]:
    """Return the folders in a folder by their names, links not among them.

    None where there is no such folder. Raises StackctlError where it cannot be read.
    """
    try:
        with opened_folder(path) as descriptor, os.scandir(descriptor) as entries:
            names = sorted(each.name for each in entries if each.is_dir(follow_symlinks=False))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StackctlError(
            f"`{path}` cannot be read: {error.strerror}", "mend its rights, or move it away"
        ) from error
    return [path / name for name in names]


@contextmanager
def opened_folder(path: Path) -> Iterator[int]:
    """Give a descriptor of a folder that can be locked and listed. Raises OSError."""
    with _opened(path) as step:
        descriptor = os.open(".", FOLDER | os.O_RDONLY, dir_fd=step)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    """Give a descriptor of a folder to reach what lies in it. Raises OSError."""
    path = path.absolute()
    descriptor = os.open(path.anchor, STEP)
    try:
        for part in path.parts[1:]:
            try:
                inner = os.open(part, STEP, dir_fd=descriptor)
            except OSError as error:
                raise _explain(error, path, part, descriptor) from error
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)


def _explain(error: OSError, path: Path, name: str, parent: int) -> OSError:
    """Return the error with its whole path, and in words where a link was not followed."""
    with suppress(OSError):
        if stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            return OSError(errno.ELOOP, f"`{name}` is a link", str(path))
    # A pipe without a reader, and a socket, cannot be opened at all.
    text = "it is no file" if error.errno == errno.ENXIO else error.strerror
    return OSError(error.errno, text, str(path))
