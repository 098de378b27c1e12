"""A command beside what runs in a container anyway, and its end.

The engine can end a container, and no command in it. So such a command has a mark in its environment, which all that
it starts has as well, and a shell in the container finds them by it.
"""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.clock import poll
from orchestrator.errors import EngineError, Interrupted
from orchestrator.signals import put_off

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from orchestrator.clock import Clock
    from orchestrator.engine.ports import Inside, Session

MARK = "STACKCTL_COMMAND"
NOT_EXECUTED = (126, 127)  # what a shell, or the engine in its place, ends with then
# Sends a signal to all who have the mark, and prints their numbers.
SCRIPT = """\
command -v grep > /dev/null || exit 127
for each in $(grep -lsF "$1" /proc/[0-9]*/environ); do
  each=${each#/proc/}; echo "${each%/environ}"; kill "-$2" "${each%/environ}"
done"""
LOOK_EVERY = 0.2  # seconds


@dataclass(frozen=True)
class Beside:
    """A command that was begun in a running container."""

    engine: Inside
    clock: Clock
    container: str
    argv: tuple[str, ...]
    grace: float = 10.0  # seconds between SIGTERM and SIGKILL
    mark: str = field(default_factory=lambda: secrets.token_hex(16))

    @contextmanager
    def begun(self) -> Iterator[Session]:
        """Begin it; where whoever waits for it has to give up, it is ended. Raises EngineError."""
        session: Session | None = None
        try:
            with put_off():  # of one that begins meanwhile nobody would know
                session = self.engine.attend(
                    self.container, self.argv, environment={MARK: self.mark}
                )
            yield session
        except (Interrupted, EngineError, OSError):
            if session is not None:
                with put_off():
                    self.end(session)
            raise
        finally:
            if session is not None:
                session.close()

    def end(self, session: Session) -> bool:
        """End it: SIGTERM, and SIGKILL after `grace` seconds. Whether it is known to have ended.

        It is not where the container has no shell and `grep`, or where another user runs it.
        """
        try:
            # The engine answers before it begins a command, so that nobody may be there yet.
            self._poll(lambda: self._signal("TERM") or session.has_ended() or None)
            self._poll(lambda: not self._signal("0") or None)
            self._signal("KILL")
            session.exit_code()
            return not self._signal("0")
        except EngineError:
            return False

    def _poll(self, check: Callable[[], object]) -> None:
        poll(check, clock=self.clock, every=LOOK_EVERY, within=self.grace)

    def _signal(self, name: str) -> list[str]:
        """Send a signal, or none (0); return the numbers of those who were there."""
        told = self.engine.execute(
            self.container, ("sh", "-c", SCRIPT, "sh", f"{MARK}={self.mark}", name)
        )
        if told.exit_code in NOT_EXECUTED:
            raise EngineError(f"no command can be ended there: {told.text.strip()}")
        return [line for line in told.text.splitlines() if line.isdecimal()]  # and no complaint
