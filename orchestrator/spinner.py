"""The line that says what is waited for, for how long, and how long at most; only on a terminal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestrator.clock import SystemClock
from orchestrator.errors import show_controls

if TYPE_CHECKING:
    from rich.console import Console as Stream
    from rich.live import Live
    from rich.text import Text

    from orchestrator.clock import Clock

DOTS = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
PLAIN_DOTS = "-\\|/"
TURNS = 10  # a second


@dataclass(frozen=True)
class Wait:
    """What goes on. Times are seconds of one clock."""

    phase: str = ""
    phase_began: float = 0.0
    began: float = 0.0
    what: str = ""
    within: float | None = None  # how long it takes at most; None: nobody can tell
    noticed: str = ""  # what was seen last

    def tell(self, now: float) -> str:
        """Say it in a line."""
        passed = now - self.began
        times = [f"{int(passed)} s"] if self.phase or self.within is not None else []
        if self.within is not None:
            left = self.within - passed
            times.append(f"at most {left:.0f} s more" if left > 0 else "its time is up")
        noticed = f"({self.noticed})" if self.what and self.noticed else self.noticed
        head = "  ".join(filter(None, (self.phase, ", ".join(times))))
        text = ": ".join(filter(None, (head, " ".join(filter(None, (self.what, noticed))))))
        return " ".join(show_controls(text).split("\n"))


class Spinner:
    """The last line of a terminal, drawn over ten times a second while something goes on."""

    def __init__(self, stream: Stream, clock: Clock | None = None) -> None:
        self._stream = stream
        self._clock = clock or SystemClock()
        self._wait = Wait()
        self._live: Live | None = None

    def begin(self, phase: str) -> None:
        """Show a phase."""
        now = self._clock.monotonic()
        self._show(Wait(phase, now, now))

    def wait(self, what: str, within: float | None) -> None:
        """Show what is waited for now, and for so many seconds at most."""
        now = self._clock.monotonic()
        self._show(replace(self._wait, began=now, what=what, within=within, noticed=""))

    def work(self, what: str) -> None:
        """Show what is being done; it counts from the beginning of its phase."""
        since = self._wait.phase_began
        self._show(replace(self._wait, began=since, what=what, within=None, noticed=""))

    def notice(self, text: str) -> None:
        """Show what was seen last of what is waited for."""
        self._show(replace(self._wait, noticed=text))

    def stop(self, *, over: bool = False) -> None:
        """Take the line away; what comes next puts it back. Nothing is left of what is `over`."""
        if over:
            self._wait = Wait()
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _show(self, wait: Wait) -> None:
        self._wait = wait
        if self._live is None:
            from rich.live import Live

            self._live = Live(
                console=self._stream,
                get_renderable=self._draw,
                transient=True,
                refresh_per_second=TURNS,
            )
            self._live.start(refresh=True)

    def _draw(self) -> Text:
        from rich.text import Text

        now = self._clock.monotonic()
        dots = DOTS if self._stream.encoding.startswith("utf") else PLAIN_DOTS
        line = f"{dots[int(now * TURNS) % len(dots)]} {self._wait.tell(now)}"
        return Text(line, no_wrap=True, overflow="ellipsis", end="")
