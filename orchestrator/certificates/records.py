"""Records of names, by which an authority is convinced that a name is ours (ACME, DNS-01).

Who serves the names is not known here: a program of this machine puts a record there and takes it away.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from orchestrator.certificates.authority import IssuanceError
from orchestrator.shell import capture
from orchestrator.stack.program import drop_own, require_permission, tell_failure

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ALLOW_VARIABLE = "STACKCTL_ALLOW_DNS_COMMAND"
LARGEST = 64 * 1024  # bytes of output, which nobody reads
WHAT = "`gateway.tls.acme.dns`"


class Records(Protocol):
    """Who can change the records of the names that certificates are asked for."""

    def add(self, name: str, value: str, within: float) -> None:
        """Put a TXT record there, and return once others see it; `within` is in seconds.

        Raises IssuanceError.
        """

    def remove(self, name: str, value: str, within: float) -> None:
        """Take it away again. Raises IssuanceError."""


@dataclass(frozen=True)
class Program:
    """A program that is told `add` or `remove`, the name and the value."""

    command: tuple[str, ...]
    folder: Path  # of stack.yaml, where it runs
    environment: Mapping[str, str]

    def add(self, name: str, value: str, within: float) -> None:
        """Put a TXT record there; see Records. Raises IssuanceError."""
        self._run("add", name, value, within)

    def remove(self, name: str, value: str, within: float) -> None:
        """Take it away again. Raises IssuanceError."""
        self._run("remove", name, value, within)

    def _run(self, what: str, name: str, value: str, within: float) -> None:
        """Run it without a shell; it sees the environment without what is stackctl's own."""
        seen, argv = drop_own(self.environment), (*self.command, what, name, value)
        hint = f"run it by hand in the folder of stack.yaml: `{' '.join(argv)}`"
        try:
            done = capture(argv, seen, folder=self.folder, patience=within, most=LARGEST)
        except OSError as error:
            raise IssuanceError(
                f"{WHAT} did not {what} the record `{name}`: {error.strerror or error}",
                hint,
            ) from error
        if done.code != 0:
            raise IssuanceError(tell_failure(WHAT, done), hint)


def require_permitted(environment: Mapping[str, str]) -> None:
    """Raise ConfigurationError where nobody has permitted that the program is run here."""
    require_permission(WHAT, ALLOW_VARIABLE, environment)
