"""Where tests write: into memory, as each release of a fake stack waits for the disk some forty times.

The tests of a disk's own habits are in tests/contract and tests/e2e, and bring their disks with them.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

MEMORY = Path("/dev/shm")  # pytest makes a folder in it that nobody else can open
ROOM = 4 * 1024**3  # bytes; a run of all these tests takes some 300 MB
CHOSEN = "PYTEST_DEBUG_TEMPROOT"  # pytest's own variable: where its folders are


def write_into_memory() -> None:
    """Have pytest make its folders in memory, where there is room and nobody has said otherwise."""
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free >= ROOM:
        os.environ.setdefault(CHOSEN, str(MEMORY))
