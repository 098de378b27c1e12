"""Runs other programs; whatever they say goes to a file that can be read afterwards."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from steps import SetupError

TAIL_LINES = 8


class CommandError(SetupError):
    """A program that ended with an error, told by the last lines it wrote."""


@dataclass(frozen=True)
class Commands:
    """Starts programs and keeps one log file for each of them."""

    logs: Path

    def run(self, label: str, *command: str, following: str, timeout: float = 900) -> None:
        """Run a program to its end; `following` is what to type where it fails."""
        log = self.log(label)
        with log.open("wb") as output:
            process = _start(command, output, output, following)
            try:
                ending = f"ended with {process.wait(timeout)}"
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                ending = f"did not finish within {timeout:.0f} s"
        if process.returncode != 0:
            raise CommandError(
                f"`{Path(command[0]).name}` {ending}\n{tail(log)}".rstrip(), following, log
            )

    def answers(self, label: str, *command: str, patience: float, following: str) -> bool:
        """Run a program that must say something within `patience` seconds; False where it does not."""
        log = self.log(label)
        with log.open("wb") as output, log.with_suffix(".errors.log").open("wb") as errors:
            process = _start(command, output, errors, following)
            if not _speaks(process, log, patience):
                process.kill()
            return process.wait() == 0

    def log(self, label: str) -> Path:
        """Name the file that holds the output of the program run under this label."""
        self.logs.mkdir(parents=True, exist_ok=True)
        return self.logs / f"{label}.log"


def output(*command: str) -> str | None:
    """Ask a program that answers at once; None where it is missing or fails."""
    try:
        found = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
            env=environment(),
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout if found.returncode == 0 else None


def environment() -> dict[str, str]:
    """Add the directories of system programs, and let DOCKER_HOST win over a context as `engine` does."""
    variables = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    variables["PATH"] = f"{variables.get('PATH', '/usr/bin:/bin')}:/usr/sbin:/sbin"
    if variables.get("DOCKER_HOST"):
        variables.pop("DOCKER_CONTEXT", None)
    return variables


def tail(log: Path, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a log, which are those that tell why."""
    if not log.exists():
        return ""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def _start(
    command: tuple[str, ...], output: BinaryIO, errors: BinaryIO, following: str
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, env=environment()
        )
    except OSError as error:
        raise CommandError(
            f"`{command[0]}` could not be started: {error.strerror}", following
        ) from error


def _speaks(process: subprocess.Popen[bytes], log: Path, patience: float) -> bool:
    """Wait until the program has written to its output, or has ended well."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        if log.stat().st_size > 0:
            return True
        if process.poll() is not None:
            return process.returncode == 0
        time.sleep(0.05)  # noqa: TID251  a real program is waited for
    return False
