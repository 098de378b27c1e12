"""The stack that a drill may break: commands on it, and releases that stand still at a boundary."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.drill.actor import HERE
from orchestrator.errors import StackctlError
from orchestrator.release.observe import observe
from orchestrator.shell import Ended, run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from orchestrator.drill.boundary import Boundary
    from orchestrator.release.house import House
    from orchestrator.release.observe import Snapshot

PATIENCE = 300.0  # seconds after which a command counts as hanging


@dataclass(frozen=True)
class Site:
    """A stack's file, the variables it is read with, and the house that they make."""

    file: Path
    variables: Mapping[str, str]
    house: House
    actor: str = "orchestrator.drill.actor"  # the module that runs releases which stand still

    def look(self) -> Snapshot:
        """Return the stack as it is now."""
        return observe(self.house)

    def run(self, *arguments: str) -> Ended:
        """Run a command to its end. Raises TimeoutError."""
        line = (sys.executable, "-m", "orchestrator", "--file", str(self.file), *arguments)
        return run(line, self.variables, PATIENCE)

    def require(self, *arguments: str) -> Any:
        """Run a command that must succeed; return its JSON document. Raises StackctlError."""
        done = self.run(*arguments, "--output", "json")
        if done.code != 0:
            told = done.err.strip() or f"exit code {done.code}"
            raise StackctlError(f"`{' '.join(arguments)}` failed: {told}")
        return json.loads(done.out)

    @contextmanager
    def rehearse(
        self, boundary: Boundary, command: str, service: str, version: str, struck: str = ""
    ) -> Iterator[Actor]:
        """Start a release that will stand still at a boundary, of its own or of who is `struck` instead.

        It does not outlive the block.
        """
        words = (str(self.file), str(boundary), command, service, version, struck or service)
        with subprocess.Popen(  # noqa: S603  a list of arguments, not a line for a shell
            (sys.executable, "-m", self.actor, *words),
            env=dict(self.variables),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,  # a Ctrl-C in the terminal is the drill's, not its
        ) as process:
            try:
                yield Actor(process)
            finally:
                process.kill()


class Actor:
    """A release that runs, stands still, or has ended."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def arrive(self) -> bool:
        """Wait until it stands at its boundary; false where it has ended without coming there."""
        assert self._process.stdout is not None  # noqa: S101  it was opened with a pipe
        return self._process.stdout.readline().strip() == HERE

    def send(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def finish(self) -> Ended:
        """Let it go on, if it still can, and wait for its end. Raises TimeoutError."""
        try:
            out, err = self._process.communicate("\n", timeout=PATIENCE)
        except subprocess.TimeoutExpired as error:
            raise TimeoutError(f"it did not end within {PATIENCE:g} s") from error
        return Ended(self._process.returncode, out, err)
