"""Whether the witness itself was awake: what it did not see, it cannot testify to."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

BEAT = 1.0  # seconds after which the witness looks at its clock again
# Seconds more than planned. A busy machine is late by less; what a gateway does about a client that
# says nothing for longer is that client's doing.
LATE = 5.0
AWAKE = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # goes on while the machine sleeps


def read_awake() -> float:
    """Return seconds on a clock that nobody sets and that stands still for nothing."""
    return time.clock_gettime(AWAKE)


class Pulse:
    """Looks at a clock, again and again; `tell` hears of seconds for which nobody did.

    A process that was stopped (SIGSTOP, a debugger) and a machine that slept have that in common.
    """

    def __init__(self, tell: Callable[[float], None], clock: Callable[[], float]) -> None:
        self._tell = tell
        self._clock = clock
        self._last = clock()
        self._woke = float("-inf")  # after the last standstill

    def look(self) -> float:
        """Return the time. To be called at least every `BEAT` seconds."""
        now = self._clock()
        missed, self._last = now - self._last, now
        if missed > BEAT + LATE:
            self._woke = now
            self._tell(missed)
        return now

    def missed(self, since: float) -> bool:
        """Whether there was a standstill after that time, which may explain what came since."""
        self.look()
        return self._woke > since
