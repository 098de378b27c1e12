"""The dashboard and the history as tables."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from orchestrator.errors import Interrupted, show_controls

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import Console, ConsoleOptions, RenderResult

    from orchestrator.clock import Clock
    from orchestrator.doctor.finding import Finding
    from orchestrator.lifecycle.status import ColorStatus, ServiceStatus, Status

SHADES = {"ok": "green", "unknown": "blue", "warning": "yellow", "fault": "red"}  # of verdicts
VERDICTS = 9  # columns of the longest verdict, and two
SHORTEST = 20  # columns of a text, however narrow the terminal
WIDEST = 10_000  # columns, for a table that is measured as if there were no end of room


def draw(status: Status) -> RenderableType:
    """Return the dashboard."""
    parts: list[RenderableType] = [_head(status), _services(status.services)]
    if status.accessories:
        parts.append(_accessories(status))
    if status.lock:
        lock = status.lock
        parts.append(
            _text(
                f"locked: {lock['command']} by {lock['holder']} on {lock['host']} since {lock['since']}"
            )
        )
    parts += [_text(f"drift: {text}", "yellow") for text in status.drift]
    parts += [_text(f"left by a dead release: {text}", "yellow") for text in status.recovery]
    return Group(*parts)


def watch(
    screen: Console, first: Status, read: Callable[[], Status], clock: Clock, every: float
) -> None:
    """Redraw the dashboard every so many seconds, until Ctrl-C: that is how one leaves it."""
    from rich.live import Live

    try:
        with Live(draw(first), console=screen, screen=True, auto_refresh=False) as live:
            while True:
                clock.sleep(every)
                live.update(draw(read()), refresh=True)
    except Interrupted:
        return


def draw_history(releases: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Return past releases as a table."""
    return Rows(
        ("release", "outcome", "witness", "lost", "seconds"),
        [
            (
                _text(found["release"]),
                _text(found["outcome"]),
                Text(f"{found['witness']['sent']:,}"),
                Text(
                    str(found["witness"]["lost"]), style="red" if found["witness"]["lost"] else ""
                ),
                Text(f"{found['when']['seconds']:.1f}"),
            )
            for found in releases
        ],
    )


def draw_findings(findings: Sequence[Finding]) -> RenderableType:
    """Return what the doctor has found, each with its mend, and how many there are of each verdict."""
    counts = Counter(str(one.verdict) for one in findings)
    told = [
        f"{counts[word]} {word}{'s' if plural and counts[word] > 1 else ''}"
        for word, plural in (("ok", False), ("unknown", False), ("warning", True), ("fault", True))
        if counts[word]
    ]
    return Group(Findings(findings), Text(), Text(", ".join(told)))


def _text(text: str, style: str = "") -> Text:
    """Return what labels and others say, as words."""
    return Text(show_controls(text), style=style)


def _head(status: Status) -> Text:
    gateway = status.gateway
    line = f"{status.stack}: gateway {gateway.state} on {gateway.listen}"
    if gateway.requests is not None:
        line += f", {gateway.connections} connections, {gateway.requests:,} requests served"
    if gateway.config:
        line += f"\nconfig: {gateway.config}"
    trouble = f"\n{gateway.trouble}: {gateway.hint}" if gateway.trouble else ""
    return Text.assemble(_text(line), _text(trouble, "red"))


def _services(services: Sequence[ServiceStatus]) -> Rows:
    return Rows(
        ("service", "active", "healthy", "previous", "candidate"),
        [
            (
                _text(service.name),
                _name(service.active),
                _health(service.active),
                _name(service.previous),
                _name(service.candidate),
            )
            for service in services
        ],
    )


def _accessories(status: Status) -> Rows:
    return Rows(
        ("accessory", "state"),
        [
            (
                _text(found.name),
                _text(f"{found.state} ({found.health})" if found.health else found.state),
            )
            for found in status.accessories
        ],
    )


def _name(color: ColorStatus | None) -> Text:
    if color is None:
        return Text("-")
    return Text.assemble(show_controls(color.version), " ", (f"({color.color})", color.color))


def _health(color: ColorStatus | None) -> Text:
    if color is None:
        return Text("-")
    complete = color.healthy >= color.wanted
    return Text(f"{color.healthy}/{color.wanted}", style="green" if complete else "red")


@dataclass(frozen=True)
class Rows:
    """A table; where the terminal is too narrow for it, each cell on a line of its own."""

    columns: tuple[str, ...]
    cells: Sequence[tuple[Text, ...]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
        for column in self.columns:
            table.add_column(column)
        for row in self.cells:
            table.add_row(*row)
        room = options.update(max_width=WIDEST)
        if Measurement.get(console, room, table).maximum <= options.max_width:
            yield table
            return
        for first, *others in self.cells:
            yield Text(first.plain, style="bold")
            for column, cell in zip(self.columns[1:], others, strict=True):
                yield Text.assemble(f"  {column} ", cell)


@dataclass(frozen=True)
class Findings:
    """A line for each finding; what is too long goes on below its own beginning."""

    findings: Sequence[Finding]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        checks = max((len(one.check) for one in self.findings), default=0)
        indent = VERDICTS + checks + 2
        for one in self.findings:
            told = _text(one.text)
            if one.mend:
                told.append(f"\nmend: {show_controls(one.mend)}")
            head = Text.assemble(
                (f"{one.verdict:<{VERDICTS}}", SHADES[one.verdict]), f"{one.check:<{checks + 2}}"
            )
            for line in told.wrap(console, max(options.max_width - indent, SHORTEST)):
                line.rstrip()
                yield Text.assemble(head, line)
                head = Text(" " * indent)
