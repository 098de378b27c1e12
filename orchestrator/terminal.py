"""The terminal, through rich."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from orchestrator.errors import show_controls

if TYPE_CHECKING:
    from rich.console import Console as RichConsole


def plain(text: str) -> str:
    """Keep rich from reading text of others as markup, and the terminal as commands."""
    from rich.markup import escape

    return escape(show_controls(text))


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

    width = None if stream.isatty() else 10_000  # a pipe breaks no line
    return Unread(file=stream, highlight=False, no_color=not color, emoji=False, width=width)
