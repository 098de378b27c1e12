"""Sets up all that `make demo` and `make test` need; run again, it finds nothing to do."""

from __future__ import annotations

import fcntl
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import authority
import browser
import credentials
import engine
import environment
import images
import load
import secure_shell
from commands import Commands
from steps import SetupError, Steps

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]
LOGS = ROOT / ".setup"
NAMES = ("venv", "engine", "images", "secrets", "browser", "ssh", "authority", "k6")


def main(arguments: list[str]) -> int:
    """Run the named steps, or all of them."""
    if not set(arguments) <= set(NAMES):
        sys.stderr.write(f"usage: python3 .ci/setup [{'] ['.join(NAMES)}]\n")
        return 2
    try:
        _require_python()
        with _alone():
            _set_up(arguments or list(NAMES))
    except SetupError as error:
        sys.stderr.write(explained(error))
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\ninterrupted; `make setup` goes on from here\n")
        return 130
    return 0


def explained(error: SetupError) -> str:
    """Put a failure into the three things a reader needs: cause, whole output, next command."""
    indented = error.cause.replace("\n", "\n         ")
    log = f"  log:   {load.location(str(error.log), ROOT)}\n" if error.log else ""
    return f"  cause: {indented}\n{log}  next:  {error.following}\n"


def _set_up(names: list[str]) -> None:
    """Install what runs here beside the engine and its images: they have nothing in common."""
    steps, commands = Steps(len(names)), Commands(LOGS)
    with ThreadPoolExecutor(1) as pool:
        beside = pool.submit(
            _run,
            steps,
            names,
            {
                "venv": lambda tell: environment.prepare(ROOT, commands, tell),
                "browser": lambda tell: browser.prepare(commands, tell),
                "ssh": lambda tell: secure_shell.prepare(commands, tell),
                "authority": lambda tell: authority.prepare(commands, tell),
            },
        )
        _run(
            steps,
            names,
            {
                "engine": lambda tell: engine.prepare(commands, tell),
                "images": lambda tell: images.prepare(ROOT, commands, tell),
                "secrets": lambda _: credentials.prepare(ROOT, os.environ),
            },
        )
        beside.result()
    _run(steps, names, {"k6": lambda _: load.prepare(ROOT)})


def _run(
    steps: Steps, names: list[str], known: dict[str, Callable[[Callable[[str], None]], str]]
) -> None:
    for name, step in known.items():
        if name in names:
            steps.run(name, step)


def _require_python() -> None:
    if sys.version_info < (3, 11):  # noqa: UP036  nothing has checked it before
        raise SetupError(
            f"Python 3.11 or later is needed, this is {sys.version.split()[0]}",
            "python3.11 .ci/setup",
        )


@contextmanager
def _alone() -> Iterator[None]:
    """Let one set-up of a user work at a time: the engine and its images belong to the whole machine."""
    lock = Path(tempfile.gettempdir()) / f"stackctl-setup-{os.getuid()}.lock"
    descriptor = os.open(lock, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.stdout.write("another set-up is running; waiting for it\n")
            sys.stdout.flush()
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
