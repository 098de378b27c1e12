"""The command line in processes that start in no time: forked from one that has imported it all."""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from orchestrator.cli import main

if TYPE_CHECKING:
    from collections.abc import Mapping

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [__name__, "orchestrator.console", "orchestrator.wiring", "rich.table", "pytest"]
)


class Run:
    """A finished `stackctl`: its exit code, and what it wrote."""

    def __init__(self, folder: Path, *arguments: str, **environment: str) -> None:
        with TemporaryDirectory() as place:
            out, err = Path(place) / "out", Path(place) / "err"
            process = FORKS.Process(target=_become, args=(folder, arguments, environment, out, err))
            process.start()
            process.join()
            self.code, self.out, self.err = process.exitcode, out.read_text(), err.read_text()
        process.close()
        assert "Traceback" not in self.err, self.err

    @property
    def document(self) -> Any:
        """Return the one JSON document that stdout holds."""
        return json.loads(self.out)

    def assert_refused(self, code: int, message: str, hint: str) -> None:
        """Assert one line of what is wrong, and a hint."""
        first, blank, last = self.err.splitlines()
        assert (self.code, blank) == (code, "")
        assert first.startswith("error: ")
        assert message in first
        assert last.startswith("hint: ")
        assert hint in last


def _become(
    folder: Path, arguments: tuple[str, ...], environment: Mapping[str, str], out: Path, err: Path
) -> None:
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    for path, number in ((out, 1), (err, 2)):
        with path.open("wb") as file:
            os.dup2(file.fileno(), number)
    sys.argv = ["stackctl", *arguments]
    main()
