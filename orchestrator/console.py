"""What people and scripts see: data on stdout, progress on stderr, meaning never only in colour."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from orchestrator.announce.markers import choose_markers
from orchestrator.announce.quoting import say
from orchestrator.errors import show_controls
from orchestrator.events import (
    Ended,
    Event,
    Failed,
    PhaseBegan,
    PhaseEnded,
    Probed,
    Progress,
    Recovered,
    Started,
    Unanswered,
    Undone,
    Warned,
)
from orchestrator.settings import Settings
from orchestrator.terminal import Sparing, drop_colors, fall_silent, is_live, open_stream, plain
from orchestrator.wording import describe, describe_forecast, summarize, timeline, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from rich.console import Console as Stream
    from rich.status import Status as Spinner

    from orchestrator.clock import Clock
    from orchestrator.errors import StackctlError
    from orchestrator.lifecycle.forecast import Forecast
    from orchestrator.lifecycle.removal import Removed
    from orchestrator.lifecycle.status import Status
    from orchestrator.lifecycle.up import Convergence
    from orchestrator.release.result import Result
    from orchestrator.stack.model import Stack


class Console:
    """One command's output. As a context manager it puts the progress line away at the end."""

    def __init__(self, settings: Settings) -> None:
        self._json = settings.json
        self._color = settings.color and "NO_COLOR" not in os.environ
        self._spinner: Spinner | None = None
        self._probes: list[Probed] = []
        self._markers = choose_markers(os.environ)
        self._sparing = Sparing()

    @cached_property
    def _out(self) -> Stream:
        return open_stream(sys.stdout, color=self._color)

    @cached_property
    def _err(self) -> Stream:
        return open_stream(sys.stderr, color=self._color)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._still()

    def show(self, event: Event) -> None:  # noqa: C901  one arm an event
        """Show an event on stderr; where it is a terminal, what is going on as well."""
        match event:
            case Started():
                self._probes.clear()
                title = f"{event.command} {event.service} {event.version}"
                self._mark(self._markers.begin(title))
                self._line(f"[bold]{plain(title)}[/]")
            case PhaseBegan():
                self._spin(event.phase)
            case PhaseEnded():
                self._line(f"  [green]done[/] {event.phase:<8} {event.seconds:6.2f} s")
            case Progress():
                self._spin(event.text[:100])
            case Probed():
                self._probes.append(event)
                self._spin(f"gate  {describe(event)}")
            case Unanswered():
                self._show_silence(event)
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
                self._still()
                self._mark(self._markers.end())

    def print_result(self, result: Result) -> None:
        """Print what came of a release."""
        self.print_either(result.facts(), f"{summarize(result)}\n")
        if result.error is not None:
            self.print_error(result.error)

    def print_convergence(self, stack: Stack, done: Convergence) -> None:
        """Print what `up` did."""
        if self._json:
            self.print_document(
                {
                    "stack": stack.name,
                    "gateway": done.gateway,
                    "accessories": done.accessories,
                    "services": [result.facts() for result in done.services],
                    "mended": list(done.mended),
                    "warnings": list(done.warnings),
                }
            )
        else:
            parts = {"gateway": done.gateway, **done.accessories}
            for name, state in parts.items():
                self._write(f"{name} {state}\n")
            for result in done.services:
                self._write(f"{summarize(result)}\n")
            self._write(f"listening on {stack.gateway.listen}\n")
        for result in done.services:
            if result.error is not None:
                self.print_error(result.error)

    def print_status(self, status: Status) -> None:
        """Print the dashboard once."""
        if self._json:
            self.print_document(status.facts())
        else:
            from orchestrator.dashboard import draw

            self._out.print(draw(status))

    def watch_status(self, read: Callable[[], Status], clock: Clock, every: float) -> None:
        """Redraw the dashboard until Ctrl-C; without a terminal print one document a look."""
        from orchestrator.dashboard import watch

        if self._json or not is_live(sys.stdout):
            while not self._out.quiet:
                self.print_status(read())
                clock.sleep(every)
        else:
            watch(self._out, read, clock, every)

    def print_forecast(self, found: Forecast) -> None:
        """Print what releases would do."""
        self.print_either(asdict(found), describe_forecast(found))

    def print_valid(self, file: Path, stack: Stack) -> None:
        """Print that a file is fine."""
        names = {"services": list(stack.services), "accessories": list(stack.accessories)}
        facts = {"valid": True, "stack": stack.name, **names}
        count = ", ".join(f"{len(found)} {kind}" for kind, found in names.items())
        self.print_either(facts, f"{file} is valid: stack {stack.name}, {count}\n")

    def print_logs(self, lines: Iterable[tuple[str, str]]) -> None:
        """Print log lines; as JSON one document with all of them."""
        if self._json:
            self.print_document(
                {"lines": [{"container": name, "text": text} for name, text in lines]}
            )
            return
        for name, text in lines:
            self._write(f"{name} | {drop_colors(text)}\n")
            if self._out.quiet:
                return

    def print_history(self, releases: Sequence[Mapping[str, Any]]) -> None:
        """Print past releases."""
        if self._json:
            keys = ("release", "outcome", "what", "when", "verdict")
            self.print_document(
                {"releases": [{key: found.get(key) for key in keys} for found in releases]}
            )
            return
        from orchestrator.dashboard import draw_history

        self._out.print(draw_history(releases) if releases else "no release has left evidence yet")

    def print_evidence(self, evidence: Mapping[str, Any]) -> None:
        """Print one release's evidence."""
        if self._json:
            self.print_document(evidence)
        else:
            from orchestrator.evidence.report import render_page

            self._write(render_page(evidence))

    def print_removed(self, removed: Removed) -> None:
        """Print what was taken away."""
        if self._json:
            self.print_document(asdict(removed))
            return
        lines = [
            f"removed {kind[:-1]} {name}"
            for kind, names in asdict(removed).items()
            for name in names
        ]
        self._write("\n".join(lines or ["nothing to remove"]) + "\n")

    def print_either(self, facts: object, text: str) -> None:
        """Print the one JSON document, or the same in words."""
        if self._json:
            self.print_document(facts)
        else:
            self._write(text)

    def print_drawn(self, facts: object, draw: Callable[[], Any]) -> None:
        """Print the one JSON document, or what is drawn for people."""
        self.print_document(facts) if self._json else self._out.print(draw())

    def print_document(self, facts: object) -> None:
        """Print the one JSON document."""
        self._write(to_json(facts))

    def print_note(self, text: str) -> None:
        """Say on stderr how something goes on."""
        self._still()
        self._line(plain(text))

    def print_error(self, error: StackctlError) -> None:
        """Print an error and its hint on stderr."""
        self._still()
        self._err.print(f"[red]error:[/] {plain(error.message)}")
        if error.hint:
            self._err.print(f"\nhint: {plain(error.hint)}")
        self._mark(
            self._markers.annotate("error", "stackctl", f"{error.message}\n{error.hint or ''}")
        )

    def _write(self, text: str) -> None:
        self._still()  # as above
        try:
            sys.stdout.write(show_controls(text))
            sys.stdout.flush()
        except OSError as error:
            fall_silent(self._out, error)

    def _line(self, text: str) -> None:
        self._err.print(text)

    def _mark(self, line: str) -> None:
        """Print a command to the CI system, as it is: rich would break it."""
        if not line:
            return
        self._still()  # while rich's line stands, it takes both streams for its own
        try:
            say(sys.stderr, line)
        except OSError as error:
            fall_silent(self._err, error)

    def _spin(self, text: str) -> None:
        if not is_live(sys.stderr):
            return
        if self._spinner is None:
            self._spinner = self._err.status("")
            self._spinner.start()
        self._spinner.update(plain(text))

    def _still(self) -> None:
        if self._spinner is not None:
            self._spinner.stop()
            self._spinner = None

    def _show_silence(self, event: Unanswered) -> None:
        """Say on a terminal for how long it goes on; a log has a line now and then."""
        if is_live(sys.stderr):
            self._still() if event.over else self._spin(event.text)
        elif self._sparing.is_due(event.seconds, over=event.over):
            self._line(f"  [yellow]waiting[/] {plain(event.text)}")

    def _show_failure(self, event: Failed) -> None:
        for line in timeline(self._probes):
            self._line(f"    {plain(line)}")
        for line in event.logs.splitlines():
            self._line(f"    | {plain(line)}")


def print_error(error: StackctlError, *, as_json: bool) -> None:
    """Print an error that ended a command: for people on stderr, for scripts on stdout as well."""
    console = Console(Settings(Path(), "json" if as_json else "text", color=True))
    if as_json:
        console.print_document(
            {"outcome": "failed", "error": {"message": error.message, "hint": error.hint}}
        )
    console.print_error(error)
