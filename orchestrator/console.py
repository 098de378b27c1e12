"""What people and scripts see: data on stdout, progress on stderr, meaning never only in colour."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from orchestrator.events import (
    Ended,
    Event,
    Failed,
    PhaseBegan,
    PhaseEnded,
    Probed,
    Progress,
    Started,
    Undone,
    Warned,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from rich.console import Console as RichConsole
    from rich.status import Status as Spinner

    from orchestrator.clock import Clock
    from orchestrator.errors import StackctlError
    from orchestrator.release.converge import Convergence
    from orchestrator.release.forecast import Forecast
    from orchestrator.release.removal import Removed
    from orchestrator.release.result import Result
    from orchestrator.release.status import Status
    from orchestrator.settings import Settings
    from orchestrator.stack.model import Stack


class Console:
    """One command's output. As a context manager it puts the progress line away at the end."""

    def __init__(self, settings: Settings) -> None:
        self._json = settings.json
        self._color = settings.color and "NO_COLOR" not in os.environ
        self._out = _open(sys.stdout, color=self._color)
        self._err = _open(sys.stderr, color=self._color)
        self._spinner: Spinner | None = None
        self._probes: list[Probed] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._still()

    def show(  # noqa: C901  one arm an event
        self, event: Event
    ) -> None:
        """Show an event on stderr; where it is a terminal, what is going on as well."""
        match event:
            case Started():
                self._probes.clear()
                self._line(f"[bold]{event.command} {event.service} {event.version}[/]")
            case PhaseBegan():
                self._spin(event.phase)
            case PhaseEnded():
                self._line(f"  [green]done[/] {event.phase:<8} {event.seconds:6.2f} s")
            case Progress():
                self._spin(event.text[:100])
            case Probed():
                self._probes.append(event)
                self._spin(f"gate  {_describe(event)}")
            case Warned():
                self._line(f"  [yellow]warning[/] {_plain(event.text)}")
            case Failed():
                self._line(f"  [red]failed[/] {event.phase}")
                self._show_failure(event)
            case Undone():
                self._line(f"  [green]undone[/] {event.text}")
            case Ended():
                self._still()

    def print_result(self, result: Result) -> None:
        """Print what came of a release."""
        if self._json:
            self._document(result.facts())
        else:
            self._out.print(summarize(result), soft_wrap=True)
        if result.error is not None:
            self.print_error(result.error)

    def print_convergence(self, stack: Stack, done: Convergence) -> None:
        """Print what `up` did."""
        if self._json:
            self._document(
                {
                    "stack": stack.name,
                    "gateway": done.gateway,
                    "accessories": done.accessories,
                    "services": [result.facts() for result in done.services],
                    "warnings": list(done.warnings),
                }
            )
        else:
            parts = {"gateway": done.gateway, **done.accessories}
            for name, state in parts.items():
                self._out.print(f"{name} {state}")
            for result in done.services:
                self._out.print(summarize(result), soft_wrap=True)
            self._out.print(f"listening on {stack.gateway.listen}")
        for result in done.services:
            if result.error is not None:
                self.print_error(result.error)

    def print_status(self, status: Status) -> None:
        """Print the dashboard once."""
        if self._json:
            self._document(status.facts())
        else:
            from orchestrator.dashboard import draw

            self._out.print(draw(status))

    def watch_status(self, read: Callable[[], Status], clock: Clock, every: float) -> None:
        """Redraw the dashboard until Ctrl-C; without a terminal print one document a look."""
        from orchestrator.dashboard import draw
        from orchestrator.errors import Interrupted

        if self._json or not self._out.is_terminal:
            while True:
                self.print_status(read())
                clock.sleep(every)
        from rich.live import Live

        try:
            with Live(draw(read()), console=self._out, screen=True, auto_refresh=False) as live:
                while True:
                    clock.sleep(every)
                    live.update(draw(read()), refresh=True)
        except Interrupted:
            return  # Ctrl-C is how one leaves a dashboard

    def print_forecasts(self, forecasts: Sequence[Forecast]) -> None:
        """Print what releases would do."""
        if self._json:
            self._document({"services": [asdict(found) for found in forecasts]})
            return
        for found in forecasts:
            was = f" (now {found.previous})" if found.previous else " (first release)"
            title = "unchanged" if found.unchanged else f"to {found.color}"
            self._out.print(f"[bold]{found.service}[/] {found.version}{was}: {title}")
            for number, step in enumerate(found.steps, start=1):
                self._out.print(f"  {number:>2}. {_plain(step)}", soft_wrap=True)
            if found.diff:
                self._out.print("\n" + _plain(found.diff), soft_wrap=True)

    def print_valid(self, file: Path, stack: Stack) -> None:
        """Print that a file is fine."""
        facts = {
            "valid": True,
            "stack": stack.name,
            "services": list(stack.services),
            "accessories": list(stack.accessories),
        }
        if self._json:
            self._document(facts)
        else:
            count = f"{len(stack.services)} services, {len(stack.accessories)} accessories"
            self._out.print(f"{file} is valid: stack {stack.name}, {count}")

    def print_config(self, text: str) -> None:
        """Print an NGINX config."""
        if self._json:
            self._document({"config": text})
        else:
            sys.stdout.write(text)

    def print_logs(self, lines: Iterable[tuple[str, str]]) -> None:
        """Print log lines; as JSON one document with all of them."""
        if self._json:
            self._document({"lines": [{"container": name, "text": text} for name, text in lines]})
            return
        for name, text in lines:
            sys.stdout.write(f"{name} | {text}\n")
            sys.stdout.flush()

    def print_history(self, releases: Sequence[Mapping[str, Any]]) -> None:
        """Print past releases."""
        if self._json:
            keys = ("release", "outcome", "what", "when", "verdict")
            self._document(
                {"releases": [{key: found.get(key) for key in keys} for found in releases]}
            )
            return
        from orchestrator.dashboard import draw_history

        self._out.print(draw_history(releases) if releases else "no release has left evidence yet")

    def print_evidence(self, evidence: Mapping[str, Any]) -> None:
        """Print one release's evidence."""
        if self._json:
            self._document(evidence)
        else:
            from orchestrator.evidence.report import render_page

            sys.stdout.write(render_page(evidence))

    def print_removed(self, removed: Removed) -> None:
        """Print what was taken away."""
        if self._json:
            self._document(asdict(removed))
            return
        lines = [
            f"removed {kind[:-1]} {name}"
            for kind, names in asdict(removed).items()
            for name in names
        ]
        self._out.print("\n".join(lines) or "nothing to remove", soft_wrap=True)

    def print_error(self, error: StackctlError) -> None:
        """Print an error and its hint on stderr."""
        self._still()
        self._err.print(f"[red]error:[/] {_plain(error.message)}", soft_wrap=True)
        if error.hint:
            self._err.print(f"\nhint: {_plain(error.hint)}", soft_wrap=True)

    def _document(self, facts: object) -> None:
        sys.stdout.write(json.dumps(facts, default=str) + "\n")
        sys.stdout.flush()

    def _line(self, text: str) -> None:
        self._err.print(text, soft_wrap=True)

    def _spin(self, text: str) -> None:
        if not self._err.is_terminal:
            return
        if self._spinner is None:
            self._spinner = self._err.status("")
            self._spinner.start()
        self._spinner.update(_plain(text))

    def _still(self) -> None:
        if self._spinner is not None:
            self._spinner.stop()
            self._spinner = None

    def _show_failure(self, event: Failed) -> None:
        for line in timeline(self._probes):
            self._line(f"    {_plain(line)}")
        for line in event.logs.splitlines():
            self._line(f"    | {_plain(line)}")


def print_error(error: StackctlError, *, as_json: bool) -> None:
    """Print an error that ended a command: for people on stderr, for scripts on stdout as well."""
    from orchestrator.settings import Settings

    if as_json:
        document = {"outcome": "failed", "error": {"message": error.message, "hint": error.hint}}
        sys.stdout.write(json.dumps(document) + "\n")
    Console(Settings(Path(), "text", color=sys.stderr.isatty())).print_error(error)


def summarize(result: Result) -> str:
    """Return a release in one or two lines."""
    where = f" ({result.color})" if result.color and result.outcome == "deployed" else ""
    line = f"{result.service} {result.version}{where} {result.outcome.replace('_', ' ')}"
    if result.outcome == "unchanged":
        return line
    line += f" in {result.seconds['total']:.1f} s"
    witness = result.witness
    if witness.sent:
        line += (
            f": {witness.sent:,} witness requests, {witness.lost} lost,"
            f" longest gap {witness.longest_gap_ms:g} ms"
        )
    return f"{line}\nevidence: {result.evidence}"


def timeline(probes: Sequence[Probed]) -> list[str]:
    """Return the probes in a few lines: equal answers in a row are one line."""
    lines: list[str] = []
    for replica in dict.fromkeys(probe.replica for probe in probes):
        run: list[Probed] = []
        for probe in (probe for probe in probes if probe.replica == replica):
            if run and (probe.status, probe.detail) != (run[-1].status, run[-1].detail):
                lines.append(_describe_run(run))
                run = []
            run.append(probe)
        lines.append(_describe_run(run))
    return lines


def _describe_run(run: Sequence[Probed]) -> str:
    first, last = run[0], run[-1]
    attempts = f"{first.attempt}" if first is last else f"{first.attempt} to {last.attempt}"
    return f"{first.replica} probe {attempts}: {_answer(last)}"


def _describe(probe: Probed) -> str:
    return f"{probe.replica} probe {probe.attempt}: {_answer(probe)}"


def _answer(probe: Probed) -> str:
    status = "" if probe.status is None else f"{probe.status} "
    word = "healthy" if probe.healthy else probe.detail or "unhealthy"
    return f"{status}{word} ({probe.ms:g} ms)"


def _plain(text: str) -> str:
    """Keep rich from reading text of others as markup."""
    return text.replace("[", r"\[")


def _open(stream: Any, *, color: bool) -> RichConsole:
    from rich.console import Console as Rich

    return Rich(file=stream, highlight=False, no_color=not color, emoji=False)
