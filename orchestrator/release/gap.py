"""How long nobody worked: what it costs a service that one of its colors must be alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.events import Closed, Emit, Idle

if TYPE_CHECKING:
    from orchestrator.clock import Clock


class Gap:
    """The time from the end of one color to the start of the other; with users, as long as they are
    told to come back.

    A candidate that fails its gate has not worked: then the time goes on until the color before does
    again.
    """

    def __init__(self, clock: Clock, emit: Emit) -> None:
        self.seconds = 0.0  # of all that is over
        self.told = False  # whether there was one
        self.closed = False  # whether users were told to come back
        self._clock = clock
        self._emit = emit
        self._since: float | None = None
        self._until: float | None = None

    def open(self, *, closed: bool = False) -> None:
        """Nobody works from now on. Where users are told so (`closed`), this comes before."""
        if self._since is None:
            self._since = self._clock.monotonic()
            self.closed = closed
            if closed:
                self._emit(Closed())
        self._until = None

    def fill(self) -> None:
        """Somebody runs; whether that is work shows when the gap is closed, or goes on."""
        if not self.closed:
            self._until = self._clock.monotonic()

    def close(self) -> None:
        """Tell how long it was, where there was one: whoever runs now works."""
        if self._since is None:
            return
        until = self._clock.monotonic() if self._until is None else self._until
        spent, self._since, self._until = until - self._since, None, None
        self.seconds += spent
        self.told = True
        self._emit(Idle(round(spent, 3), self.closed))
