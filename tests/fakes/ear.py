"""Who hears that an engine says nothing."""

from __future__ import annotations

import threading

PATIENCE = 30.0  # seconds until a test gives up


class Ear:
    """Hears what is told of a silence; time passes at once, so many times."""

    def __init__(self, waits: int) -> None:
        self.told: list[tuple[str, float, bool]] = []
        self.waited: list[float] = []
        self.enough = threading.Event()
        self._left = waits

    def hear(self, doing: str, seconds: float, over: bool) -> None:  # noqa: FBT001  as it is called
        """Take it down."""
        self.told.append((doing, seconds, over))
        if over or self._left == 0:
            self.enough.set()

    def wait(self, answered: threading.Event, seconds: float) -> bool:
        """Let time pass; once that was often enough, wait for the answer."""
        self.waited.append(seconds)
        if self._left:
            self._left -= 1
            return False
        return answered.wait(PATIENCE)
