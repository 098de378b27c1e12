"""What somebody may have put below `reports/`, in a file's place."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PRECIOUS = b"all that somebody has\n"
KINDS = ("link", "dangling link", "hard link", "pipe", "device", "folder")


@contextmanager
def keeping(folder: Path) -> Iterator[Path]:
    """Give a file that lies outside of `reports/`; it must be as it was at the end."""
    file = folder / "elsewhere" / "precious.txt"
    file.parent.mkdir()
    file.write_bytes(PRECIOUS)
    yield file
    assert file.read_bytes() == PRECIOUS
    assert [path.name for path in file.parent.iterdir()] == [file.name]


def plant(path: Path, kind: str, precious: Path) -> None:
    """Put something into a file's place that is no file of its own."""
    match kind:
        case "link":
            path.symlink_to(precious)
        case "dangling link":
            path.symlink_to(precious.parent / "new.txt")
        case "hard link":
            path.hardlink_to(precious)
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case _:
            path.mkdir()
