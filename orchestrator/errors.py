"""The errors stackctl raises, one class for each answer to "who can put this right?".

    StackctlError           1    failed, users stayed on the version they had
    ├── ConfigurationError  2    whoever wrote stack.yaml or the command line
    ├── EngineError         1    whoever runs the Docker Engine
    │   ├── NotFound             …the named thing is not there
    │   ├── Conflict             …another has that name, or the engine is busy with it
    │   └── Disconnected         …the way there was cut
    ├── ImageError          1    whoever wrote the Dockerfile
    ├── GatewayError        1    whoever set up NGINX; the config that served still serves
    ├── CandidateError      1    whoever wrote the new version
    ├── UnsafeError         4    a person, now: the state users see is not known to be good
    ├── LockedError         5    whoever holds the lock
    └── Interrupted         130  nobody (143 where SIGTERM asked for it, 129 a closed terminal)

A message is lower case and says what, which and the measured fact. A hint is the next command.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class StackctlError(Exception):
    """Something a person can put right; shown as one line and a hint, never as a traceback."""

    exit_code = 1

    def __init__(self, message: str, hint: str | None = None) -> None:
        self.message = show_controls(message)
        self.hint = None if hint is None else show_controls(hint)
        super().__init__(self.message)

    def reword(self, change: Callable[[str], str]) -> None:
        """Tell the same in other words."""
        self.message = change(self.message)
        self.hint = None if self.hint is None else change(self.hint)
        self.args = (self.message,)


class ConfigurationError(StackctlError):
    """stack.yaml or the command line asks for something that cannot be."""

    exit_code = 2


class EngineError(StackctlError):
    """The Docker Engine refused, failed or did not answer."""


class NotFound(EngineError):
    """The engine does not have the container, image, volume or network that was named."""


class Conflict(EngineError):
    """The engine has another container of that name, or is busy with this one."""


class Disconnected(EngineError):
    """The connection to the engine has ended, or none came about."""


class ImageError(StackctlError):
    """An image could not be built or pulled."""


class GatewayError(StackctlError):
    """NGINX refused a config or did not take it up."""


class CandidateError(StackctlError):
    """The new version did not prove itself; the active one was not touched."""


class UnsafeError(StackctlError):
    """A release failed and the way back failed too."""

    exit_code = 4


class LockedError(StackctlError):
    """Another release holds the stack's lock."""

    exit_code = 5


class Interrupted(StackctlError):
    """A signal asked to stop."""

    def __init__(self, signal_number: int) -> None:
        super().__init__(f"interrupted by signal {signal_number}")
        self.exit_code = 128 + signal_number


def show_controls(text: str) -> str:
    """Write what a terminal would act upon, or no file could hold, as an escape; lines stay lines.

    What somebody typed, a container printed or a label says may be quoted in any message.
    """
    return "".join(
        char if char.isprintable() or char in "\n\t" else ascii(char)[1:-1] for char in text
    )
