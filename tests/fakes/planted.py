"""What somebody may have put below `reports/`, in a file's place."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

PRECIOUS = b"all that somebody has\n"
KINDS = ("link", "dangling link", "hard link", "pipe", "device", "folder")


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
