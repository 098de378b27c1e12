"""Programs that stack.yaml has run on this machine.

It names them, and a checkout brings stack.yaml: without a word in the environment none is run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import ConfigurationError
from orchestrator.stack.filled import OWN, to_printable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.shell import Captured

LONGEST = 200  # characters of what one says of its failure


def require_permission(what: str, variable: str, environment: Mapping[str, str]) -> None:
    """Raise ConfigurationError where nobody has permitted, by a variable, that a program is run."""
    if environment.get(variable, "").strip().lower() not in ("1", "true", "yes"):
        raise ConfigurationError(
            f"{what} is a program that stack.yaml has run on this machine, and nobody has permitted it",
            f"where you trust who writes stack.yaml, set `{variable}=1` in the environment",
        )


def drop_own(variables: Mapping[str, str]) -> dict[str, str]:
    """Return variables without those that are stackctl's own: no program sees them, nor sets any."""
    return {name: value for name, value in variables.items() if not name.startswith(OWN)}


def tell_failure(what: str, done: Captured) -> str:
    """Say how a program has failed: its exit code, and the last line of its errors."""
    last = (done.err.decode(errors="replace").strip().splitlines() or [""])[-1].strip()
    told = f": {to_printable(last)[:LONGEST]}" if last else ""
    return f"{what} ended with exit code {done.code}{told}"
