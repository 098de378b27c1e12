"""Other programs: the only place that starts them. Never through a shell."""

from __future__ import annotations

import os
import signal
import subprocess
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

PATIENCE = 60.0  # seconds for a program that only looks something up


class Ended(NamedTuple):
    """A program that has ended."""

    code: int  # negative: the signal that killed it
    out: str
    err: str


def run(argv: Sequence[str], environment: Mapping[str, str], patience: float = PATIENCE) -> Ended:
    """Run a program to its end. Raises OSError; TimeoutError is one."""
    try:
        done = subprocess.run(  # noqa: S603  a list of arguments, not a line for a shell
            argv,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=patience,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise TimeoutError(f"it did not end within {patience:g} s") from error
    return Ended(done.returncode, done.stdout, done.stderr)


def page(argv: Sequence[str], environment: Mapping[str, str], text: str) -> None:
    """Let a person read a text in a program that has the terminal until it ends. Raises OSError."""
    subprocess.run(  # noqa: S603  as above
        argv, env=environment, input=text, text=True, errors="replace", check=False
    )


def start(
    argv: Sequence[str],
    environment: Mapping[str, str],
    streams: tuple[Path, Path],
    *,
    folder: Path,
    hand_on: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a program in a folder, which gets no Ctrl-C of ours. Raises OSError.

    It reads the first of two files, and writes its errors to the second.
    """
    told, errors = streams
    with told.open("rb") as source, errors.open("wb") as sink:
        return subprocess.Popen(  # noqa: S603  as above
            argv,
            env=environment,
            cwd=folder,
            stdin=source,
            stdout=subprocess.DEVNULL,
            stderr=sink,
            pass_fds=hand_on,
            process_group=0,
        )


def follow(
    argv: Sequence[str],
    environment: Mapping[str, str],
    source: IO[bytes],
    hear: Callable[[str], None],
) -> int:
    """Run a program that reads a file; hand on each line as it is printed, return the exit code.

    It gets no Ctrl-C of ours: whatever ends the wait kills it with all that it has started. Raises
    OSError.
    """
    with subprocess.Popen(  # noqa: S603  as above
        argv,
        env=environment,
        stdin=source,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        process_group=0,
    ) as process:
        try:
            for line in process.stdout or ():
                hear(line.rstrip())
            return process.wait()
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
