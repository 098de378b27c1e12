"""An engine that does not answer: it is said after a moment, and for how long it goes on."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIRST = 5.0  # seconds until it is said
EVERY = 1.0  # seconds until it is said again


class Silence:
    """Watches calls of the engine. `tell` gets what was asked, since when, and whether it is over.

    It is called by a thread of its own while somebody waits for the engine.
    """

    def __init__(
        self,
        tell: Callable[[str, float, bool], None],
        wait: Callable[[threading.Event, float], bool] = threading.Event.wait,
    ) -> None:
        self._tell = tell
        self._wait = wait

    @contextmanager
    def watched(self, doing: str, allowed: float = 0.0) -> Iterator[None]:
        """Tell where the block takes long; `allowed` seconds are what was asked for."""
        answered = threading.Event()
        threading.Thread(target=self._watch, args=(doing, allowed, answered), daemon=True).start()
        try:
            yield
        finally:
            answered.set()

    def _watch(self, doing: str, allowed: float, answered: threading.Event) -> None:
        silent = FIRST
        if self._wait(answered, allowed + FIRST):
            return
        self._tell(doing, allowed + silent, False)  # noqa: FBT003  it is not over
        while not self._wait(answered, EVERY):
            silent += EVERY
            self._tell(doing, allowed + silent, False)  # noqa: FBT003
        self._tell(doing, allowed + silent, True)  # noqa: FBT003
