"""A clock whose time passes only when somebody sleeps."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

START = datetime(2030, 1, 1, tzinfo=UTC)


class FakeClock:
    """A Clock for tests: `sleep` returns at once and moves the time on."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._elapsed = 0.0
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the wall-clock time, which starts with 2030."""
        return START + timedelta(seconds=self._elapsed)

    def monotonic(self) -> float:
        """Return the seconds that were slept so far."""
        return self._elapsed

    def sleep(self, seconds: float) -> None:
        """Let time pass, and note how much."""
        with self._lock:
            self.slept.append(seconds)
            self._elapsed += seconds


class Sleeper:
    """A clock that jumps: for so many seconds everybody slept."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now
