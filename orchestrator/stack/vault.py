"""`secrets_command`: a program whose output is read as `.env` is, at the first value that is missing.

stack.yaml names it, and a checkout brings stack.yaml: without a word in the environment it is not run.
What it prints is secret. So are its values, and no message has any of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from orchestrator.errors import ConfigurationError
from orchestrator.shell import capture
from orchestrator.stack.env_file import read_env
from orchestrator.stack.filled import OWN
from orchestrator.stack.program import drop_own, require_permission, tell_failure

if TYPE_CHECKING:
    from pathlib import Path

ALLOW_VARIABLE = "STACKCTL_ALLOW_SECRETS_COMMAND"
PATIENCE = 60.0  # seconds
LARGEST = 1024 * 1024  # bytes of output
WHAT = "`secrets_command`"


class Vault(Mapping[str, str]):
    """Variables, and behind them what the program gives. It is asked once, by who looks for a name."""

    def __init__(
        self,
        known: Mapping[str, str],
        ask: Callable[[], Mapping[str, str]],
        tell: Callable[[Mapping[str, str]], object] = lambda _: None,
    ) -> None:
        self._known = known
        self._ask = ask
        self._tell = tell
        self._asked: Mapping[str, str] | None = None

    def __getitem__(self, name: str) -> str:
        """Return a value. Raises KeyError, ConfigurationError where the program fails."""
        if name in self._known or name.startswith(OWN):
            return self._known[name]
        if self._asked is None:
            self._asked = self._ask()
            self._tell(self._asked)
        return self._asked[name]

    @property
    def asked(self) -> bool:
        """Whether the program has been run."""
        return self._asked is not None

    def __iter__(self) -> Iterator[str]:
        """Yield the names that are known without asking."""
        return iter(self._known)

    def __len__(self) -> int:
        """Return how many are known without asking."""
        return len(self._known)


def read_secrets(
    command: tuple[str, ...], folder: Path, environment: Mapping[str, str]
) -> dict[str, str]:
    """Run the program in the folder of stack.yaml, without a shell; return what it sets.

    It sees the environment without what is stackctl's own. Raises ConfigurationError.
    """
    require_permission(WHAT, ALLOW_VARIABLE, environment)
    seen = drop_own(environment)
    try:
        done = capture(command, seen, folder=folder, patience=PATIENCE, most=LARGEST)
    except OSError as error:
        raise ConfigurationError(
            f"{WHAT} did not do its work: {error.strerror or error}",
            "run it by hand in the folder of stack.yaml; it is run without a shell, and asks nobody",
        ) from error
    if done.code != 0:
        raise ConfigurationError(
            tell_failure(WHAT, done), "run it by hand in the folder of stack.yaml"
        )
    return drop_own(read_env(done.out, f"the output of {WHAT}", seen))
