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
from orchestrator.outline import sum_gaps

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import Console, ConsoleOptions, RenderResult

    from orchestrator.clock import Clock
    from orchestrator.doctor.finding import Finding
    from orchestrator.lifecycle.status import ColorStatus, Fares, ServiceStatus, Status

SHADES = {"ok": "green", "unknown": "blue", "warning": "yellow", "fault": "red"}  # of verdicts
VERDICTS = 9  # columns of the longest verdict, and two
SHORTEST = 20  # columns of a text, however narrow the terminal
UNKNOWN = "\N{EN DASH}"
MEGABYTE = 1024**2
GAP = 2  # columns between two of a table
WIDEST = 10_000  # columns, for a table that is measured as if there were no end of room


def draw(status: Status) -> RenderableType:
    """Return the dashboard."""
    parts: list[RenderableType] = [_head(status), _parts(status)]
    parts += [_text(f"{found.name}  {found.url}") for found in status.services if found.url]
    parts += [_text(one.told) for one in status.assets]
    if status.lock:
        lock = status.lock
        parts.append(
            _text(
                f"locked: {lock['command']} by {lock['holder']} on {lock['host']} since {lock['since']}"
            )
        )
    parts += [_text(text, "yellow") for text in status.warnings]
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
        ("release", "command", "operator", "outcome", "lost of sent", "took"),
        [
            (
                _text(found["release"]),
                _text(found["what"].get("command") or UNKNOWN),
                _text((found.get("who") or {}).get("operator") or UNKNOWN),
                _text(found["outcome"]),
                _tell_lost(found["witness"]["lost"], found["witness"]["sent"]),
                Text(_tell_time(found)),
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


def _tell_lost(lost: int, sent: int) -> Text:
    """Say what a witness saw; where there was none, nothing is proven."""
    if not sent:
        return Text(UNKNOWN)
    return Text(f"{lost:,} of {sent:,}", style="red" if lost else "")


def _tell_time(found: Mapping[str, Any]) -> str:
    """Say how long a release took, and for how long of that the service was closed."""
    closed = sum_gaps(found, closed=True)
    took = f"{found['when']['seconds']:.1f} s"
    return f"{took}, closed {closed:.1f} s" if closed else took


def _text(text: str, style: str = "") -> Text:
    """Return what labels and others say, as words."""
    return Text(show_controls(text), style=style)


def _head(status: Status) -> Text:
    gateway = status.gateway
    where = (
        f"behind the shared door at {gateway.listen}" if gateway.shared else f"on {gateway.listen}"
    )
    line = f"{status.stack}: gateway {gateway.state} {where}"
    if gateway.state != "running":
        line += ", so nobody is served: `stackctl up`"
    if gateway.requests is not None:
        held = f"{gateway.connections} connection{'' if gateway.connections == 1 else 's'}"
        line += f", {held}, {gateway.requests:,} requests served"
    if gateway.config:
        line += f"\nconfig: {gateway.config}"
    if status.engine:
        line += f"\nengine: {status.engine.told}"
    trouble = f"\n{gateway.trouble}: {gateway.hint}" if gateway.trouble else ""
    return Text.assemble(_text(line), _text(trouble, "red"))


def _parts(status: Status) -> Rows:
    """Return one table, so that all columns meet."""
    asked = status.gateway.state == "running"
    coming = any(service.candidate for service in status.services)
    head = ("part", "version", "age", "healthy", "memory", "restarts", "previous")
    rows = [
        (
            _text(service.name),
            _name(service.active),
            _age(service.active),
            _state(service, asked=asked),
            *_fares(service.active.fares if service.active else None),
            _name(service.previous),
            *([_name(service.candidate)] if coming else []),
        )
        for service in status.services
    ]
    beside = [
        (one.name, one.health if one.health and one.state == "running" else one.state, one.fares)
        for one in status.accessories
    ]
    blank = Text(UNKNOWN)
    for name, state, fares in (*beside, ("gateway", status.gateway.state, status.gateway.fares)):
        rest = [blank] * (2 if coming else 1)
        rows.append((_text(name), blank, blank, _text(state), *_fares(fares), *rest))
    return Rows((*head, *(["candidate"] if coming else [])), rows)


def _state(service: ServiceStatus, *, asked: bool) -> Text:
    """Return how many replicas are healthy, or why none of them is asked by users."""
    if service.closed or service.paused:
        return Text("closed" if service.closed else "paused", style="red")
    return _health(service.active, asked=asked)


def _age(color: ColorStatus | None) -> Text:
    if color is None or color.age is None:
        return Text(UNKNOWN)
    for unit, seconds in (("d", 86400), ("h", 3600), ("min", 60)):
        if color.age >= 2 * seconds:
            return Text(f"{color.age // seconds:.0f} {unit}")
    return Text(f"{color.age:.0f} s")


def _fares(fares: Fares | None) -> tuple[Text, Text]:
    """Return the memory in use of what may be, and how often the engine had to start it again."""
    if fares is None:
        return Text(UNKNOWN), Text(UNKNOWN)
    limit = f" of {fares.limit / MEGABYTE:,.0f}" if fares.limit else ""
    used = UNKNOWN if fares.memory is None else f"{fares.memory / MEGABYTE:,.0f}{limit} MiB"
    killed = ", out of memory" if fares.out_of_memory else ""
    style = "red" if fares.restarts or killed else ""
    return Text(used), Text(f"{fares.restarts}{killed}", style=style)


def _name(color: ColorStatus | None) -> Text:
    if color is None:
        return Text(UNKNOWN)
    return Text.assemble(show_controls(color.version), " ", (f"({color.color})", color.color))


def _health(color: ColorStatus | None, *, asked: bool) -> Text:
    """Return how many replicas are healthy, as far as the gateway is there to ask them."""
    if color is None:
        return Text(UNKNOWN)
    if not asked:
        return Text(f"? of {color.wanted}", style="red")
    complete = color.healthy >= color.wanted
    return Text(f"{color.healthy}/{color.wanted}", style="green" if complete else "red")


@dataclass(frozen=True)
class Rows:
    """A table; where the terminal is too narrow for it, each cell on a line of its own."""

    columns: tuple[str, ...]
    cells: Sequence[tuple[Text, ...]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
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
