"""A process in a fake container that somebody sits at."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from orchestrator.errors import EngineError, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.fakes.box import Box
    from tests.fakes.engine import FakeEngine

NOT_FOUND = 127


class FakeSession:
    """`cat` gives back what it is told, and `sleep` goes on until it is ended.

    Any other process is one that the box knows how to run.
    """

    def __init__(
        self,
        engine: FakeEngine,
        box: Box,
        argv: tuple[str, ...],
        environment: Mapping[str, str] = {},
    ) -> None:
        self._engine = engine
        self._box = box
        self._argv = argv
        self._told: list[bytes] = []
        self._over = False
        self._code: int | None = None
        self._ended = threading.Event()
        self._signals = 0
        if argv[0] == "sleep":
            box.beside |= {f"{name}={value}": self for name, value in environment.items()}

    @property
    def program(self) -> str:
        """Return what it runs."""
        return self._argv[0]

    @property
    def ended(self) -> bool:
        """Whether a signal has ended it."""
        return self._ended.is_set()

    def signal(self, name: str) -> bool:
        """Take a signal; return whether it was there. A stubborn one ends by KILL only.

        A late one is not there yet when the first signal comes.
        """
        self._signals += 1
        if self._ended.is_set() or ("late" in self._argv and self._signals == 1):
            return False
        if name == "KILL" or (name == "TERM" and "stubborn" not in self._argv):
            self._code = 137 if name == "KILL" else 143
            self._ended.set()
        return True

    def send(self, data: bytes) -> None:
        """Take input."""
        if self._over:
            raise EngineError("the process in the container has ended")
        self._told.append(data)

    def end_input(self) -> None:
        """Take no more."""
        self._over = True

    def resize(self, rows: int, columns: int) -> None:
        """No fake process draws."""

    def output(self) -> Iterator[tuple[int, bytes]]:
        """Yield what it prints."""
        if self._argv[0] == "sleep":
            yield 1, b"half of it"
            self._ended.wait()
            return
        with self._engine.called("attend", self._box.id):
            if self._argv == ("cat",):
                self._code = 0
                yield from ((1, data) for data in self._told)
                return
            ended = self._box.execute(self._argv, self._engine.host.sockets(self._box))
            self._code = ended.exit_code
            if self._code == NOT_FOUND:
                raise NotFound(f"`{self._argv[0]}` cannot be run there: {ended.text}")
            yield (1 if self._code == 0 else 2), ended.text.encode()

    def exit_code(self) -> int:
        """Return what it ended with."""
        if self._code is None:
            raise EngineError("the command may run on")
        return self._code

    def has_ended(self) -> bool:
        """Whether it has."""
        return self._code is not None

    def close(self) -> None:
        """Leave it."""
        self._over = True
