"""What people and scripts see: data on stdout, progress on stderr, meaning never only in colour."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TextIO

from orchestrator.errors import Interrupted, show_controls
from orchestrator.narration import Narration
from orchestrator.settings import Settings
from orchestrator.terminal import drop_colors, fall_silent, is_live, open_stream
from orchestrator.wording import describe_forecast, summarize, tell_access, to_json

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from rich.console import Console as Stream
    from rich.console import RenderableType

    from orchestrator.clock import Clock
    from orchestrator.errors import StackctlError
    from orchestrator.events import Event
    from orchestrator.lifecycle.forecast import Forecast
    from orchestrator.lifecycle.removal import Removed
    from orchestrator.lifecycle.status import Status
    from orchestrator.lifecycle.up import Convergence
    from orchestrator.release.pause import Turned
    from orchestrator.release.result import Result
    from orchestrator.stack.model import Stack

COUNTS = (
    "sent",
    "lost",
    "turned_away",
    "unseen",
)  # of a witness; earlier ones do not say the last two


class Console:
    """One command's output. As a context manager it puts the progress line away at the end."""

    def __init__(self, settings: Settings) -> None:
        self._json = settings.json
        self._color = settings.color and "NO_COLOR" not in os.environ
        self._narration = Narration(color=self._color)

    @cached_property
    def _out(self) -> Stream:
        return open_stream(sys.stdout, color=self._color)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._narration.still(over=True)

    def show(self, event: Event) -> None:
        """Show an event on stderr; where it is a terminal, what is going on as well."""
        self._narration.show(event)

    def print_result(self, result: Result) -> None:
        """Print what came of a release."""
        self.print_either(result.facts(), f"{summarize(result)}\n")
        if result.error is not None:
            self.print_error(result.error)

    def print_beside(self, results: Sequence[Result]) -> None:
        """Say on stderr what came of releases beside the one that was asked for."""
        for result in results:
            self.print_note(summarize(result))
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
        for result in done.services:
            if result.error is not None:
                self.print_error(result.error)

    def print_status(self, status: Status) -> None:
        """Print the dashboard once."""
        if self._json:
            self.print_document(status.facts())
        else:
            from orchestrator.dashboard import draw

            self._print(draw(status))

    def watch_status(self, read: Callable[[], Status], clock: Clock, every: float) -> None:
        """Redraw the dashboard until Ctrl-C; without a terminal print one document a look."""
        from orchestrator.dashboard import watch

        if self._json or not is_live(sys.stdout):
            while not self._out.quiet:
                self.print_status(read())
                clock.sleep(every)
        else:
            first = read()
            self._narration.still(over=True)
            watch(self._out, first, read, clock, every)

    def print_forecast(self, found: Forecast, *, diff: bool) -> None:
        """Print what releases would do; the NGINX diff in words only where it is asked for."""
        self.print_either(asdict(found), describe_forecast(found, diff=diff))

    def print_valid(self, file: Path, stack: Stack) -> None:
        """Print that a file is fine."""
        names = {"services": list(stack.services), "accessories": list(stack.accessories)}
        facts = {"valid": True, "stack": stack.name, **names}
        kinds = (("service", "services"), ("accessory", "accessories"))
        count = ", ".join(
            f"{len(names[many])} {one if len(names[many]) == 1 else many}" for one, many in kinds
        )
        self.print_either(facts, f"{file} is valid: stack {stack.name}, {count}\n")

    def print_logs(self, lines: Iterable[tuple[str, str]]) -> None:
        """Print log lines; as JSON one document with all of them."""
        if self._json:
            self.print_document(
                {"lines": [{"container": name, "text": text} for name, text in lines]}
            )
            return
        for name, text in lines:
            self._write(f"{name} | {drop_colors(tell_access(text))}\n")
            if self._out.quiet:
                return

    def print_followed(self, lines: Iterable[tuple[str, str]]) -> int:
        """Print log lines for as long as they come, and return the exit code.

        A signal is how one leaves, so it is no error to tell; but with JSON the document is missing.
        """
        try:
            self.print_logs(lines)
        except Interrupted as left:
            if self._json:
                raise
            return left.exit_code
        return 0

    def print_history(self, releases: Sequence[Mapping[str, Any]]) -> None:
        """Print past releases."""
        if self._json:
            keys = ("release", "outcome", "what", "who", "when", "verdict")
            listed = [
                {key: found.get(key) for key in keys}
                | {"witness": {key: found["witness"].get(key, 0) for key in COUNTS}}
                for found in releases
            ]
            self.print_document({"releases": listed})
            return
        from orchestrator.dashboard import draw_history

        self._print(draw_history(releases) if releases else "no release has left evidence yet")

    def print_evidence(self, evidence: Mapping[str, Any]) -> None:
        """Print one release's evidence."""
        if self._json:
            self.print_document(evidence)
        else:
            from orchestrator.evidence.report import render_page

            text = render_page(evidence)
            if not is_live(sys.stdout):
                self._write(text)
                return
            from orchestrator.reading import read_page

            self._narration.still(over=True)
            read_page(self._out, text, os.environ)

    def print_removed(self, removed: Removed) -> None:
        """Print what was taken away."""
        if self._json:
            self.print_document(asdict(removed))
            return
        lines = [
            f"removed {kind if kind == 'assets' else kind[:-1]} {name}"
            for kind, names in asdict(removed).items()
            for name in names
        ]
        self._write("\n".join(lines or ["nothing to remove"]) + "\n")

    def print_turned(self, turned: Turned, done: str) -> None:
        """Print which services a command has paused or resumed (`done`)."""
        lines = [f"{done} {name}" for name in turned.changed]
        lines += [f"{name} was {done} before" for name in turned.unchanged]
        self.print_either(asdict(turned), "\n".join(lines or [f"nothing is {done}"]) + "\n")

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
        self._narration.note(text)

    def print_error(self, error: StackctlError) -> None:
        """Print an error and its hint on stderr."""
        self._narration.complain(error)

    def ask(self, question: str, typed: TextIO) -> bool:
        """Ask whoever sits at the terminal; only a yes is one."""
        self._narration.still(over=True)
        sys.stderr.write(f"{show_controls(question)} [y/N] ")
        sys.stderr.flush()
        return typed.readline().strip().lower() in ("y", "yes")

    def _print(self, what: RenderableType) -> None:
        """Print a table or the like on stdout."""
        self._narration.still(over=True)
        self._out.print(what)

    def _write(self, text: str) -> None:
        self._narration.still(over=True)  # while it stands, it takes both streams for its own
        try:
            sys.stdout.write(show_controls(text))
            sys.stdout.flush()
        except OSError as error:
            fall_silent(self._out, error)


def print_error(error: StackctlError, *, as_json: bool) -> None:
    """Print an error that ended a command: for people on stderr, for scripts on stdout as well."""
    console = Console(Settings(Path(), "json" if as_json else "text", color=True))
    if as_json:
        console.print_document(
            {"outcome": "failed", "error": {"message": error.message, "hint": error.hint}}
        )
    console.print_error(error)
