"""The terminal, through rich."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from orchestrator.announce.markers import in_ci
from orchestrator.errors import show_controls

if TYPE_CHECKING:
    from rich.console import Console as RichConsole


def plain(text: str) -> str:
    """Keep rich from reading text of others as markup, and the terminal as commands."""
    from rich.markup import escape

    return escape(show_controls(text))


def is_live(stream: Any) -> bool:
    """Return whether somebody looks at a stream now, so that lines may be drawn over."""
    return bool(stream.isatty()) and not in_ci(os.environ)


def draw_bar(share: float, width: int) -> str:
    """Return how much of something is done, so many characters wide."""
    full = round(min(max(share, 0.0), 1.0) * width)
    return "█" * full + "░" * (width - full)


def open_stream(stream: Any, *, color: bool) -> RichConsole:
    """Return a console on a stream, that falls silent where nobody reads it."""
    from rich.console import Console as Rich

    class Unread(Rich):
        """Falls silent where nobody reads any more: a release does not end for that."""

        def on_broken_pipe(self) -> None:
            self.quiet = True
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)

    live = is_live(stream)
    return Unread(
        file=stream,
        highlight=False,
        no_color=not color,
        emoji=False,
        width=None if live else 10_000,  # a log breaks no line
        force_terminal=live,  # FORCE_COLOR asks for colour, not for lines that are drawn over
        color_system="standard" if os.environ.get("FORCE_COLOR") and not live else "auto",
    )
