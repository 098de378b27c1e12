"""Somebody at a terminal: a command with a real one, what is typed, and what stands there."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import termios
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

PATIENCE = 60.0  # seconds until something stands there
CTRL_C = "\x03"
CTRL_D = "\x04"


class Keyboard:
    """A terminal with a command in it."""

    def __init__(self, master: int, slave: int, process: subprocess.Popen[bytes]) -> None:
        self._master = master
        self._slave = slave
        self.process = process
        self.shown = ""

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._master, text.encode())

    def await_text(self, text: str) -> None:
        """Return once a text has come since the last one that was waited for."""
        until = time.monotonic() + PATIENCE
        while text not in self.shown:
            left = until - time.monotonic()
            ready, _, _ = select.select([self._master], [], [], max(0.0, left))
            assert ready, f"{text!r} did not come: {self.shown!r}"
            self.shown += os.read(self._master, 65_536).decode(errors="replace")
        self.shown = self.shown.partition(text)[2]

    def resize(self, rows: int, columns: int) -> None:
        """Pull at a corner of the window; the command is told of it."""
        termios.tcsetwinsize(self._master, (rows, columns))

    def echoes(self) -> bool:
        """Whether the terminal shows what is typed, as it does before and after a program."""
        return bool(termios.tcgetattr(self._slave)[3] & termios.ECHO)


@contextmanager
def at_terminal(
    arguments: tuple[str, ...], folder: Path, environment: Mapping[str, str]
) -> Iterator[Keyboard]:
    """Run a command in a terminal of 24 rows and 80 columns; it is killed if it outlives the block."""
    master, slave = pty.openpty()
    termios.tcsetwinsize(slave, (24, 80))
    try:
        with subprocess.Popen(
            arguments,
            cwd=folder,
            env={**environment, "TERM": "xterm"},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            # The terminal is its own, so that it gets its signals.
            preexec_fn=lambda: os.login_tty(slave),  # noqa: PLW1509
        ) as process:
            try:
                yield Keyboard(master, slave, process)
            finally:
                if process.poll() is None:
                    process.kill()
    finally:
        os.close(master)
        os.close(slave)
