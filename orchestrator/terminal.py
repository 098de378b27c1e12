"""The terminal, through rich."""

from __future__ import annotations

import errno
import os
import re
from typing import IO, TYPE_CHECKING, Any, cast

from orchestrator.announce.markers import in_ci
from orchestrator.errors import show_controls

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console as RichConsole

UNREAD = (errno.EPIPE, errno.EIO)
COLOR = re.compile(r"\x1b\[[0-9;:]*m")  # and bold, and the like: SGR


def plain(text: str) -> str:
    """Keep rich from reading text of others as markup, and the terminal as commands."""
    from rich.markup import escape

    return escape(show_controls(text))


def drop_colors(text: str) -> str:
    """Return a line that a container printed without its colors and without the end of a Windows line.

    All else that a terminal would act upon is left, to be shown as an escape.
    """
    return COLOR.sub("", text).removesuffix("\r")


def fall_silent(stream: RichConsole, error: OSError) -> None:
    """Print no more where nobody reads: a pipe has no other end, or a terminal is closed."""
    if error.errno not in UNREAD:
        raise error
    stream.on_broken_pipe()


class _Told:
    """A stream that says of a closed terminal what it says of a pipe: rich only knows that."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return int(self._tell(self._stream.write, text))

    def flush(self) -> None:
        self._tell(self._stream.flush)

    def _tell(self, act: Callable[..., Any], *arguments: str) -> Any:
        try:
            return act(*arguments)
        except OSError as error:
            if error.errno in UNREAD:
                raise BrokenPipeError(error.errno, error.strerror) from error
            raise

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class Sparing:
    """Says when a log gets another line of something that goes on: each time after twice as long."""

    def __init__(self) -> None:
        self._due = 0.0  # seconds

    def is_due(self, seconds: float, *, over: bool) -> bool:
        """Whether to say it now. Its end is always said."""
        if not over and seconds < self._due:
            return False
        self._due = 0.0 if over else 2 * seconds
        return True


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
        file=cast("IO[str]", _Told(stream)),
        highlight=False,
        no_color=not color,
        emoji=False,
        width=None if live else 10_000,  # a log breaks no line
        force_terminal=live,  # FORCE_COLOR asks for colour, not for lines that are drawn over
        color_system="standard" if os.environ.get("FORCE_COLOR") and not live else "auto",
    )
