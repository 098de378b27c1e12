"""Other programs: the only place that starts them. Never through a shell."""

from __future__ import annotations

import errno
import os
import selectors
import signal
import subprocess
import time
from contextlib import suppress
from typing import IO, TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

CHUNK = 64 * 1024  # bytes
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


class Captured(NamedTuple):
    """A program that has ended, with what it printed, and the end of what it complained of."""

    code: int  # negative: the signal that killed it
    out: bytes
    err: bytes


def capture(
    argv: Sequence[str],
    environment: Mapping[str, str],
    *,
    folder: Path,
    patience: float,
    most: int,
) -> Captured:
    """Run a program in a folder to its end, for `patience` seconds and `most` bytes of output.

    Whatever ends the wait kills it with all that it has started. Raises OSError; TimeoutError is one.
    """
    with subprocess.Popen(  # noqa: S603  as above
        argv,
        env=environment,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        process_group=0,
    ) as process:
        late = TimeoutError(errno.ETIMEDOUT, f"it did not end within {patience:g} s")
        until = time.monotonic() + patience
        try:
            out, err = _drain(process, until, most, late)
            return Captured(process.wait(max(0.0, until - time.monotonic())), out, err)
        except subprocess.TimeoutExpired as error:
            raise late from error
        finally:
            with suppress(ProcessLookupError):  # be it that others of its group still run
                os.killpg(process.pid, signal.SIGKILL)


def _drain(
    process: subprocess.Popen[bytes], until: float, most: int, late: TimeoutError
) -> tuple[bytes, bytes]:
    """Read both streams of a program until they end: of the one all, of the other its end."""
    out, err = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        for stream, kept in ((process.stdout, out), (process.stderr, err)):
            if stream is not None:
                selector.register(stream, selectors.EVENT_READ, kept)
        while selector.get_map():
            ready = selector.select(max(0.0, until - time.monotonic()))
            if not ready:
                raise late
            for key, _ in ready:
                chunk = os.read(key.fd, CHUNK)
                if not chunk:
                    selector.unregister(key.fileobj)
                key.data.extend(chunk)
            if len(out) > most:
                raise OSError(errno.EFBIG, f"it printed more than {most:,} bytes")
            del err[:-CHUNK]
    return bytes(out), bytes(err)
