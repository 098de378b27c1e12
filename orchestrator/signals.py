"""Signals that ask to stop: the first one asks a command to stop in order, a later one ends it.

While something is undone, the second one says what would be left, and the third one ends it there. A
closed terminal (SIGHUP) asks once only: it often says so twice, and nobody can have read a warning.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from orchestrator.errors import Interrupted, UnsafeError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from types import FrameType

PRESSED = (signal.SIGINT, signal.SIGTERM)
ASKED = (*PRESSED, signal.SIGHUP)
Handler = Callable[[int, "FrameType | None"], object]


def listen() -> None:
    """From now on the first signal is raised as Interrupted in the main thread."""
    for number in PRESSED:
        signal.signal(number, _interrupt)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # `nohup` has it go on
        signal.signal(signal.SIGHUP, _interrupt)


@contextmanager
def held_back(leaving: str = "") -> Iterator[list[Interrupted]]:
    """Let what must not be torn come to its end: a first signal is only noted, in the list.

    The next one ends the program; where something is said to be `leaving`, it prints that, and only the
    one after it ends the program. Where signals are not listened for, they are not held back.
    """
    noted: list[Interrupted] = []

    def note(number: int, _: FrameType | None) -> None:
        _await_next(warn if leaving else signal.SIG_DFL)
        noted.append(Interrupted(number))

    def warn(_number: int, _: FrameType | None) -> None:
        _await_next(signal.SIG_DFL)
        with suppress(OSError):  # past the buffers, in which the program may be at this moment
            os.write(sys.__stderr__.fileno() if sys.__stderr__ else 2, f"\n{leaving}\n".encode())

    try:
        with _handled({_interrupt: note, _leave: warn} if leaving else {_interrupt: note}):
            yield noted
    finally:
        if noted and signal.getsignal(signal.SIGINT) is warn:  # nothing is left any more
            _await_next(_leave)


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


@contextmanager
def _handled(instead: Mapping[Handler, Handler]) -> Iterator[None]:
    """Have other handlers than those of `listen` for a while, as far as they are not used up."""
    in_main = threading.current_thread() is threading.main_thread()
    before = {number: signal.getsignal(number) for number in ASKED} if in_main else {}
    changed = {n: (own, instead[own]) for n, own in before.items() if own in instead}  # type: ignore[index]
    for number, (_, other) in changed.items():
        signal.signal(number, other)
    try:
        yield
    finally:
        for number, (own, other) in changed.items():
            if signal.getsignal(number) is other:
                signal.signal(number, own)


def _interrupt(number: int, _: FrameType | None) -> None:
    _await_next(_leave)
    raise Interrupted(number)


def _leave(number: int, _: FrameType | None) -> None:
    """End the program where it stands."""
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)


def _await_next(handler: Handler | signal.Handlers) -> None:
    for number in PRESSED:
        signal.signal(number, handler)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
