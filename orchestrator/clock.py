"""Time as a port: whoever waits is handed a clock, so that tests wait for nothing."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

Answer = TypeVar("Answer")


class Clock(Protocol):
    """What the rest of the program knows of time."""

    def now(self) -> datetime:
        """Return the wall-clock time in UTC: for records, never for measuring."""

    def monotonic(self) -> float:
        """Return seconds on a clock that never goes back: for measuring."""

    def sleep(self, seconds: float) -> None:
        """Let that many seconds pass."""


class SystemClock:
    """The machine's own clock."""

    def now(self) -> datetime:
        """Return the wall-clock time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return seconds since some fixed moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Block this thread for that many seconds."""
        time.sleep(seconds)  # noqa: TID251  this is the clock


def poll(
    check: Callable[[], Answer | None], *, clock: Clock, every: float, within: float
) -> Answer | None:
    """Ask `check` every `every` seconds until it answers something, at most `within` seconds.

    Returns None where time ran out. The last question is asked at the deadline, not before it.
    """
    from tenacity import (
        RetryCallState,
        RetryError,
        Retrying,
        retry_if_result,
        wait_fixed,
    )

    deadline = clock.monotonic() + within

    # tenacity's own stop_after_delay reads time.monotonic itself and would not see our clock.
    def out_of_time(_: RetryCallState) -> bool:
        return clock.monotonic() >= deadline

    attempts = Retrying(
        retry=retry_if_result(lambda answer: answer is None),
        stop=out_of_time,
        wait=wait_fixed(every),
        sleep=clock.sleep,
    )
    try:
        return attempts(check)
    except RetryError:
        return None
