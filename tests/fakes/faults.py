"""What goes wrong with a fake engine, told beforehand."""

from __future__ import annotations

import os
import signal
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.errors import EngineError
from orchestrator.signals import ASKED, listen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ALWAYS = float("inf")


class Call(NamedTuple):
    """A method of the engine and the name of what it was called for."""

    method: str
    subject: str


def out_of_order() -> Exception:
    """Return what an engine raises that does not answer."""
    return EngineError("the Docker Engine does not answer")


@contextmanager
def listening() -> Iterator[None]:
    """Take signals as the command line does; afterwards as before."""
    before = {number: signal.getsignal(number) for number in ASKED}
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # or what has begun the tests may have it ignored
    listen()
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def press() -> None:
    """Press Ctrl-C: a real signal, whichever thread is at work. Once; a second one ends all."""
    os.kill(os.getpid(), signal.SIGINT)


@dataclass
class Fault:
    """What goes wrong, where and how often."""

    method: str = "*"  # of the engine; any
    on: str = ""  # part of the name of what it is called for
    skip: float = 0  # so many calls go well before
    times: float = 1
    late: bool = False  # carried out, and only the answer is lost
    error: Callable[[], BaseException | None] = out_of_order  # None: something only happens

    def strikes(self, call: Call) -> bool:
        """Whether it spoils this call."""
        if self.method not in ("*", call.method) or self.on not in call.subject:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        self.times -= 1
        return self.times >= 0

    def happen(self) -> None:
        """Let it happen, once its time has come."""
        error = self.error()
        if error is not None:
            raise error
