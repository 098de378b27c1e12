"""A release by a clock that somebody puts forward or back while it runs."""

from __future__ import annotations

import sys
from datetime import datetime, timedelta
from pathlib import Path

from orchestrator.clock import SystemClock
from orchestrator.drill.actor import main

MOVED = "clock-moved"  # a file beside stack.yaml that says by how many hours


class MovedClock(SystemClock):
    """Measures as ever, but is wrong about the time of day."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def now(self) -> datetime:
        """Return the time of day, moved."""
        hours = int(self._file.read_text()) if self._file.exists() else 0
        return super().now() + timedelta(hours=hours)


if __name__ == "__main__":
    arguments = sys.argv[1:]
    sys.exit(main(arguments, MovedClock(Path(arguments[0]).with_name(MOVED))))
