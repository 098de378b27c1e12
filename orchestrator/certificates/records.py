"""Records of names, by which an authority is convinced that a name is ours (ACME, DNS-01).

Who serves the names is not known here: a program of this machine puts a record there and takes it away.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from orchestrator.certificates.authority import IssuanceError
from orchestrator.errors import ConfigurationError
from orchestrator.shell import capture
from orchestrator.stack.filled import OWN, to_printable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ALLOW_VARIABLE = "STACKCTL_ALLOW_DNS_COMMAND"
LARGEST = 64 * 1024  # bytes of output, which nobody reads
LONGEST = 200  # characters of what it says of its failure
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
        seen = {key: one for key, one in self.environment.items() if not key.startswith(OWN)}
        argv = (*self.command, what, name, value)
        try:
            done = capture(argv, seen, folder=self.folder, patience=within, most=LARGEST)
        except OSError as error:
            raise IssuanceError(
                f"{WHAT} did not {what} the record `{name}`: {error.strerror or error}",
                f"run it by hand in the folder of stack.yaml: `{' '.join(argv)}`",
            ) from error
        if done.code != 0:
            last = (done.err.decode(errors="replace").strip().splitlines() or [""])[-1].strip()
            raise IssuanceError(
                f"{WHAT} ended with exit code {done.code}"
                + (f": {to_printable(last)[:LONGEST]}" if last else ""),
                f"run it by hand in the folder of stack.yaml: `{' '.join(argv)}`",
            )


def require_permission(environment: Mapping[str, str] = os.environ) -> None:
    """Raise ConfigurationError where nobody has permitted that stack.yaml has a program run here."""
    if environment.get(ALLOW_VARIABLE, "").strip().lower() not in ("1", "true", "yes"):
        raise ConfigurationError(
            f"{WHAT} is a program that stack.yaml has run on this machine, and nobody has permitted it",
            f"where you trust who writes stack.yaml, set `{ALLOW_VARIABLE}=1` in the environment",
        )
