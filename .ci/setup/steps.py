"""One line for each step: which one, what came of it, how long it took."""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

INSTANT = 0.1  # seconds


class SetupError(Exception):
    """A step that cannot go on: what happened, what to type next, and where the whole output is."""

    def __init__(self, cause: str, following: str, log: Path | None = None) -> None:
        super().__init__(cause)
        self.cause = cause
        self.following = following
        self.log = log


class Steps:
    """Counts and prints steps; steps that run side by side are numbered as they finish."""

    def __init__(self, total: int, write: Callable[[str], object] = sys.stdout.write) -> None:
        self._total = total
        self._write = write
        self._finished = 0
        self._lock = threading.Lock()

    def run(self, name: str, step: Callable[[Callable[[str], None]], str]) -> None:
        """Run one step; it gets a function that tells what takes its time, and returns its outcome."""
        started = time.monotonic()
        try:
            outcome = step(lambda text: self._print(f"      {name}: {text}\n"))
        except SetupError:
            self._finish(name, "failed", time.monotonic() - started)
            raise
        self._finish(name, outcome, time.monotonic() - started)

    def _finish(self, name: str, outcome: str, seconds: float) -> None:
        with self._lock:
            self._finished += 1
            position = f"[{self._finished}/{self._total}]"
        self._print(f"{position} {name} {'.' * (12 - len(name))} {outcome} ({duration(seconds)})\n")

    def _print(self, line: str) -> None:
        with self._lock:
            self._write(line)
            sys.stdout.flush()


def duration(seconds: float) -> str:
    """Show milliseconds below a tenth of a second, so that a step with nothing to do can be told."""
    return f"{seconds * 1000:.0f} ms" if seconds < INSTANT else f"{seconds:.1f} s"
