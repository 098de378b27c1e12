"""How fast the machine itself is at the moment: the time of a piece of work that is always the same.

Memory, and not arithmetic: caches and memory are what virtual machines on one host share.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestrator.clock import Clock

SIZE = 16 * 2**20  # bytes, more than a processor's caches keep to themselves
COPIES = 9


def time_machine(clock: Clock) -> float:
    """Return the milliseconds that copying 16 MiB to fresh memory takes: the median of nine."""
    source = bytearray(SIZE)
    return round(median(_time_copy(clock, source) for _ in range(COPIES)) * 1000, 3)


def _time_copy(clock: Clock, source: bytearray) -> float:
    started = clock.monotonic()
    bytes(source)
    return clock.monotonic() - started
