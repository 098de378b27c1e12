"""What people see of a command while it runs: its events, on stderr."""

from __future__ import annotations

import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING

from orchestrator.announce.markers import choose_markers
from orchestrator.announce.quoting import say
from orchestrator.events import (
    AssetsStored,
    BackedUp,
    Closed,
    Ended,
    Event,
    Failed,
    Idle,
    Noticed,
    PhaseBegan,
    PhaseEnded,
    Probed,
    Progress,
    Recovered,
    Started,
    Unanswered,
    Undone,
    Waiting,
    Warned,
)
from orchestrator.spinner import Spinner
from orchestrator.terminal import Sparing, fall_silent, is_live, open_stream, plain
from orchestrator.wording import describe, timeline

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console as Stream

    from orchestrator.errors import StackctlError


class Narration:
    """The events of one command: what is over stays, what goes on is drawn over where it can be."""

    def __init__(self, *, color: bool) -> None:
        self._color = color
        self._probes: list[Probed] = []
        self._markers = choose_markers(os.environ)
        self._sparing = Sparing()
        self._live = is_live(sys.stderr)
        self._drawn: Spinner | None = None

    @cached_property
    def _err(self) -> Stream:
        return open_stream(sys.stderr, color=self._color)

    def show(self, event: Event) -> None:
        """Show an event; where stderr is a terminal, what is going on as well."""
        if not (self._tell_work(event) or self._tell_deed(event)):
            self._tell_past(event)

    def still(self, *, over: bool = False) -> None:
        """Take the line of what goes on away; what is `over` does not come back."""
        if self._drawn is not None:
            self._drawn.stop(over=over)

    def note(self, text: str) -> None:
        """Say how something goes on."""
        self.still(over=True)
        self._line(plain(text))

    def complain(self, error: StackctlError) -> None:
        """Print an error and its hint."""
        self.still(over=True)
        self._err.print(f"[red]error:[/] {plain(error.message)}")
        if error.hint:
            self._err.print(f"\nhint: {plain(error.hint)}")
        self._mark(
            self._markers.annotate("error", "stackctl", f"{error.message}\n{error.hint or ''}")
        )

    def _tell_work(self, event: Event) -> bool:
        """Show what goes on; return whether it was of that kind."""
        match event:
            case PhaseBegan():
                self._spin(lambda line: line.begin(event.phase))
            case Waiting():
                self._spin(lambda line: line.wait(event.what, event.within))
            case Progress():
                self._spin(lambda line: line.work(event.text))
            case Noticed():
                self._spin(lambda line: line.notice(event.text))
            case Probed():
                self._probes.append(event)
                self._spin(lambda line: line.notice(describe(event)))
            case Unanswered():
                self._show_silence(event)
            case _:
                return False
        return True

    def _tell_deed(self, event: Event) -> bool:
        """Say what a phase has done on its way; return whether it was that."""
        match event:
            case BackedUp():
                told = f"{event.accessory}: {event.size:,} bytes in {event.seconds:.1f} s"
                self._line(f"  [green]backup[/] {plain(f'{told}, {event.file}')}")
            case AssetsStored():
                beside = f"; kept of {', '.join(event.others)}" if event.others else ""
                told = f"{event.files:,} files, {event.size:,} bytes{beside}"
                self._line(f"  [green]assets[/] {plain(told)}")
            case Closed():
                self._line("  [yellow]closed[/] users are told to come back")
            case Idle() if event.closed:
                self._line(f"  [green]open[/] again after {event.seconds:.2f} s")
            case _:
                return False
        return True

    def _tell_past(self, event: Event) -> None:
        match event:
            case Started():
                self._probes.clear()
                title = f"{event.command} {event.service} {event.version}"
                self._mark(self._markers.begin(title))
                at = f" on {plain(event.engine.told)}" if event.engine else ""
                self._line(f"[bold]{plain(title)}[/]{at}")
            case PhaseEnded():
                self._line(f"  [green]done[/] {event.phase:<9} {event.seconds:6.2f} s")
            case Warned():
                self._line(f"  [yellow]warning[/] {plain(event.text)}")
                self._mark(self._markers.annotate("warning", "stackctl", event.text))
            case Failed():
                self._line(f"  [red]failed[/] {event.phase}")
                self._show_failure(event)
            case Undone():
                self._line(f"  [green]undone[/] {event.text}")
            case Recovered():
                self._line(f"  [yellow]put right[/] {plain(event.text)}")
            case Ended():
                self.still(over=True)
                self._mark(self._markers.end())

    def _spin(self, change: Callable[[Spinner], None]) -> None:
        if self._live:
            self._drawn = self._drawn or Spinner(self._err)
            change(self._drawn)

    def _line(self, text: str) -> None:
        self._err.print(text)

    def _mark(self, line: str) -> None:
        """Print a command to the CI system, as it is: rich would break it."""
        if not line:
            return
        self.still()  # while rich's line stands, it takes both streams for its own
        try:
            say(sys.stderr, line)
        except OSError as error:
            fall_silent(self._err, error)

    def _show_silence(self, event: Unanswered) -> None:
        """Say on a terminal for how long it goes on; a log has a line now and then."""
        if self._live:
            self._spin(lambda line: line.notice("" if event.over else event.text))
        elif self._sparing.is_due(event.seconds, over=event.over):
            self._line(f"  [yellow]waiting[/] {plain(event.text)}")

    def _show_failure(self, event: Failed) -> None:
        for line in timeline(self._probes):
            self._line(f"    {plain(line)}")
        for line in event.logs.splitlines():
            self._line(f"    | {plain(line)}")
