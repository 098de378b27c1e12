"""Files as reports are kept: whole or not at all, each run in a folder of its own."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def replace_file(path: Path, content: bytes) -> None:
    """Replace a file in one step: readers see the old one or the new one, also after a crash.

    Raises OSError; then nothing is left of the new one.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with beside.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except OSError:
        beside.unlink(missing_ok=True)
        raise


def read_file(path: Path) -> bytes:
    """Return what a file holds. Raises OSError, also for what is no file: a pipe or a device would
    be read for ever, and `/dev/zero` until there is no memory left.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "it is no file", str(path))
    return path.read_bytes()


def find_free(parent: Path, name: str) -> Path:
    """Return a path of that name, or with a number behind it, where nothing is yet."""
    names = (name, *(f"{name}-{number}" for number in range(2, 1000)))
    return next(parent / each for each in names if not (parent / each).exists())
