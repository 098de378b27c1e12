"""An event loop whose clock jumps to whatever is waited for: time passes, and the test takes none."""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

R = TypeVar("R")


class JumpingSelector(selectors.DefaultSelector):
    """Waits for nothing, and counts the seconds that it was asked to wait."""

    waited = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Return what is ready now; let the time pass if nothing is."""
        ready = super().select(0)
        if not ready and timeout is not None:
            self.waited += max(timeout, 0.0)
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """A loop over such a selector. What runs in it may start no threads, whose time is real."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        """Tell the time: the seconds waited for so far."""
        return self._jumping.waited


def run_jumping(work: Coroutine[Any, Any, R]) -> R:
    """Run to the end."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(work)
