"""Files that are read within bounds, and written whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

LARGEST = 64 * 1024**2  # bytes of a file that is read at once


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file in one step: readers see the old one or the new one, also after a crash.

    Raises OSError; then nothing is left of the new one.
    """
    parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        replace_in(parent, path.name, content, 0o666)
    finally:
        os.close(parent)


def replace_in(parent: int, name: str, content: bytes, mode: int) -> None:
    """Replace a file in an open folder in one step, as `replace_file` does. Raises OSError."""
    # Nobody can have put a file or a link there before: the name is made here and now.
    beside = f".{name[:200]}.{secrets.token_hex(8)}"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    descriptor = os.open(beside, flags, mode, dir_fd=parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(beside, name, src_dir_fd=parent, dst_dir_fd=parent)
    except OSError:
        with suppress(FileNotFoundError):
            os.unlink(beside, dir_fd=parent)
        raise


def read_file(path: Path, most: int = LARGEST) -> bytes:
    """Return what a file of at most `most` bytes holds; links to it are followed.

    Raises OSError, also for what is no file: a pipe or a device would be read for ever, and
    `/dev/zero` until there is no memory left.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    require_regular(descriptor, path)
    with os.fdopen(descriptor, "rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most:,} bytes", str(path))
    return content


def require_regular(descriptor: int, path: Path) -> os.stat_result:
    """Return the facts of an open file. Where it is none, close it and raise OSError."""
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode):
        return found
    os.close(descriptor)
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    raise OSError(errno.EINVAL, "it is no file", str(path))


def find_free(parent: Path, name: str) -> Path:
    """Return a path of that name, or with a number behind it, where nothing is yet."""
    names = (name, *(f"{name}-{number}" for number in range(2, 1000)))
    return next(parent / each for each in names if not os.path.lexists(parent / each))
