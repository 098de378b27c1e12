"""The dashboard and the history as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from orchestrator.errors import show_controls

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.lifecycle.status import ColorStatus, ServiceStatus, Status


def draw(status: Status) -> RenderableType:
    """Return the dashboard."""
    parts: list[RenderableType] = [_head(status), _services(status.services)]
    if status.accessories:
        parts.append(_accessories(status))
    if status.lock:
        lock = status.lock
        parts.append(
            Text(
                f"locked: {lock['command']} by {lock['holder']} on {lock['host']} since {lock['since']}"
            )
        )
    parts += [Text(f"drift: {text}", style="yellow") for text in status.drift]
    parts += [Text(f"left by a dead release: {text}", style="yellow") for text in status.recovery]
    return Group(*parts)


def draw_history(releases: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Return past releases as a table."""
    table = _table("release", "outcome", "witness", "lost", "seconds")
    for found in releases:
        witness = found["witness"]
        table.add_row(
            Text(show_controls(found["release"])),
            Text(show_controls(found["outcome"])),
            f"{witness['sent']:,}",
            Text(str(witness["lost"]), style="red" if witness["lost"] else ""),
            f"{found['when']['seconds']:.1f}",
        )
    return table


def _head(status: Status) -> Text:
    gateway = status.gateway
    line = f"{status.stack}: gateway {gateway.state} on {gateway.listen}"
    if gateway.requests is not None:
        line += f", {gateway.connections} connections, {gateway.requests:,} requests served"
    if gateway.config:
        line += f"\nconfig: {gateway.config}"
    return Text(line)


def _services(services: Sequence[ServiceStatus]) -> Table:
    table = _table("service", "active", "healthy", "previous", "candidate")
    for service in services:
        table.add_row(
            service.name,
            _name(service.active),
            _health(service.active),
            _name(service.previous),
            _name(service.candidate),
        )
    return table


def _accessories(status: Status) -> Table:
    table = _table("accessory", "state")
    for accessory in status.accessories:
        state = f"{accessory.state} ({accessory.health})" if accessory.health else accessory.state
        table.add_row(accessory.name, state)
    return table


def _name(color: ColorStatus | None) -> Text:
    if color is None:
        return Text("-")
    return Text.assemble(color.version, " ", (f"({color.color})", color.color))


def _health(color: ColorStatus | None) -> Text:
    if color is None:
        return Text("-")
    complete = color.healthy >= color.wanted
    return Text(f"{color.healthy}/{color.wanted}", style="green" if complete else "red")


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column)
    return table
