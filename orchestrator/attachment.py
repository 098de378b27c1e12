"""A process inside a container, with this process's own input, output and terminal."""

from __future__ import annotations

import os
import signal
import stat
import sys
import termios
import threading
import tty
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, TextIO, cast

from orchestrator.announce.markers import in_ci
from orchestrator.announce.quoting import Quoted
from orchestrator.engine.values import OUT
from orchestrator.errors import ConfigurationError, EngineError
from orchestrator.terminal import UNREAD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.engine.ports import Session
    from orchestrator.settings import Settings

MOST = 65_536  # bytes that are taken at once
LOSSLESS = ("utf-8", "surrogateescape")  # what is no text becomes the same bytes again


def refuse_json(settings: Settings, command: str) -> None:
    """Raise ConfigurationError where a JSON document is asked for: there is none."""
    if settings.json:
        raise ConfigurationError(
            f"`{command}` prints what the command prints, which is no JSON document of stackctl's",
            "leave out `--output json`",
        )


def has_terminal() -> bool:
    """Whether somebody sits at both ends: types the input, and reads the output."""
    return _is_terminal(sys.stdin) and _is_terminal(sys.stdout)


def attach(session: Session, *, terminal: bool) -> int:
    """Pass input and output on until the process ends; return its exit code.

    Raises EngineError where the engine goes meanwhile.
    """
    threading.Thread(target=_pass_input, args=(session,), daemon=True).start()
    with ExitStack() as stack:
        if terminal:
            stack.enter_context(_bare_keys())
            stack.enter_context(_followed_size(session))
        out, error = Screen(sys.stdout), Screen(sys.stderr)
        for stream, data in session.output():
            (out if stream == OUT else error).show(data)
    return session.exit_code()


class Screen:
    """One of our two streams of output, that takes bytes as they are.

    A CI system reads them too, from a pipe: it gets words, of which none is a command to it. All bytes
    but a backslash in those commands stay what they were, be they text or not.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        read_by_ci = in_ci(os.environ) and not _is_file(stream)
        self._words = Quoted(cast("TextIO", _Bytes(stream))) if read_by_ci else None

    def show(self, data: bytes) -> None:
        """Print bytes. Where nobody reads any more they are dropped: the process may work on."""
        try:
            if self._words is None:
                self._stream.buffer.write(data)
            else:
                self._words.write(data.decode(*LOSSLESS))
            self._stream.flush()
        except OSError as error:
            if error.errno not in UNREAD:
                raise


class _Bytes:
    """A text stream that gives back the bytes that its text was read from."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        return self._stream.buffer.write(text.encode(*LOSSLESS))


def _pass_input(session: Session) -> None:
    """Pass on what is typed or piped in. The process may end before it has taken all."""
    with suppress(EngineError, OSError, ValueError):
        while data := os.read(sys.stdin.fileno(), MOST):
            session.send(data)
        session.end_input()


@contextmanager
def _bare_keys() -> Iterator[None]:
    """Have each key passed on at once, Ctrl-C too: the terminal inside acts upon them."""
    before = termios.tcgetattr(sys.stdin)
    try:
        tty.setraw(sys.stdin)
        yield
    finally:
        termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


@contextmanager
def _followed_size(session: Session) -> Iterator[None]:
    """Have the terminal inside as large as the one here.

    A signal may come just before the main thread waits for the engine, and would then be acted upon
    only after that. So a thread of its own hears of it, through Python's wakeup file.
    """
    heard, told = os.pipe()
    os.set_blocking(told, False)
    outer = signal.set_wakeup_fd(told, warn_on_full_buffer=False)
    before = signal.signal(signal.SIGWINCH, lambda *_: None)
    _resize(session)
    follower = threading.Thread(target=_follow, args=(session, heard), daemon=True)
    follower.start()
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)
        signal.set_wakeup_fd(outer)
        os.close(told)
        follower.join()
        os.close(heard)


def _follow(session: Session, heard: int) -> None:
    while os.read(heard, MOST):
        _resize(session)


def _resize(session: Session) -> None:
    size = os.get_terminal_size(sys.stdout.fileno())  # whatever COLUMNS and LINES say
    with suppress(EngineError):  # the process may have ended
        session.resize(size.lines, size.columns)


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and not stream.closed and stream.isatty()


def _is_file(stream: TextIO) -> bool:
    return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
