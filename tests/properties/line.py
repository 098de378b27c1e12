"""The command line inside of this process: as `stackctl` runs it, with streams that are looked at."""

from __future__ import annotations

import io
import json
import os
import signal
import sys
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, Any, NamedTuple

from orchestrator.cli import main

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

NO_ENGINE = "nowhere://"  # refused before a connection is tried


class Ended(NamedTuple):
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Return the one JSON document that stdout holds."""
        return json.loads(self.out)


def run(folder: Path, arguments: Sequence[str], **environment: str) -> Ended:
    """Run a command in a folder, where no engine answers; its streams are as strict as real ones."""
    out, err = io.BytesIO(), io.BytesIO()
    stdout = io.TextIOWrapper(out, "utf-8", "strict", write_through=True)
    stderr = io.TextIOWrapper(err, "utf-8", "backslashreplace", write_through=True)
    with _place(folder, arguments, environment), redirect_stdout(stdout), redirect_stderr(stderr):
        try:
            main()
        except SystemExit as end:
            code = end.code
    return Ended(
        code if isinstance(code, int) else 0, out.getvalue().decode(), err.getvalue().decode()
    )


@contextmanager
def _place(folder: Path, arguments: Sequence[str], environment: dict[str, str]) -> Iterator[None]:
    before, kept, given = os.getcwd(), dict(os.environ), sys.argv  # noqa: PTH109
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    os.chdir(folder)
    os.environ.clear()
    os.environ.update({"DOCKER_HOST": NO_ENGINE, "PATH": "", **environment})
    sys.argv = ["stackctl", *arguments]
    try:
        yield
    finally:
        sys.argv = given
        os.environ.clear()
        os.environ.update(kept)
        os.chdir(before)
        for number, handler in handlers.items():
            signal.signal(number, handler)
