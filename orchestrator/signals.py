"""SIGINT and SIGTERM: the first asks a command to stop in order, a second ends it where it stands."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.errors import Interrupted, UnsafeError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

ASKED = (signal.SIGINT, signal.SIGTERM)


def listen() -> None:
    """From now on the first signal is raised as Interrupted in the main thread."""
    for number in ASKED:
        signal.signal(number, _interrupt)


@contextmanager
def held_back() -> Iterator[list[Interrupted]]:
    """Let what must not be torn come to its end: a first signal is only noted, in the list.

    A second one still ends the program. Where signals are not listened for, they are not held back.
    """
    noted: list[Interrupted] = []

    def note(number: int, _: FrameType | None) -> None:
        _end_next_time()
        noted.append(Interrupted(number))

    in_main = threading.current_thread() is threading.main_thread()
    held = [n for n in ASKED if in_main and signal.getsignal(n) is _interrupt]
    for number in held:
        signal.signal(number, note)
    try:
        yield noted
    finally:
        for number in held:
            if signal.getsignal(number) is note:
                signal.signal(number, _interrupt)


@contextmanager
def put_off() -> Iterator[None]:
    """Let a change come to its end that was begun: a first signal is raised behind it.

    Torn off, nobody would know whether the engine still makes the change.
    """
    noted: list[Interrupted] = []
    try:
        with held_back() as noted:
            yield
    except UnsafeError:  # that a person is needed is the graver news
        noted.clear()
        raise
    finally:
        if noted:
            raise noted[0]


def _interrupt(number: int, _: FrameType | None) -> None:
    _end_next_time()
    raise Interrupted(number)


def _end_next_time() -> None:
    for number in ASKED:
        signal.signal(number, signal.SIG_DFL)
