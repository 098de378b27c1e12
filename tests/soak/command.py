"""A command, run to its end and measured on the way."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.clock import SystemClock
from tests.e2e.operator import PATIENCE
from tests.soak import host

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

LOOK_EVERY = 0.05  # seconds
GRACE = 30.0  # seconds that an interrupted command has for undoing what it began


@dataclass(frozen=True)
class Ran:
    """A command that ended, and what it took."""

    code: int
    stdout: str
    stderr: str
    seconds: float
    memory: float  # MiB at its peak, of its own: not of a `docker build` that it starts
    files: int  # most that were seen open at once
    left: int  # processes that outlived it

    @property
    def document(self) -> Any:
        """Return the one JSON document on stdout; an empty one where there is none."""
        return json.loads(self.stdout) if self.stdout.startswith("{") else {}


def run(argv: Sequence[str], folder: Path, environment: Mapping[str, str]) -> Ran:
    """Run a command in a session of its own, which Ctrl-C does not reach, and watch it."""
    started = host.now()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        with subprocess.Popen(
            argv,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=errors,
            start_new_session=True,
        ) as process:
            try:
                memory, files = _watch(process, started + PATIENCE)
            finally:
                _end(process)
        out.seek(0)
        errors.seek(0)
        return Ran(
            code=process.returncode,
            stdout=out.read(),
            stderr=errors.read(),
            seconds=host.now() - started,
            memory=memory,
            files=files,
            left=len(host.find_session(process.pid)),
        )


def _watch(process: subprocess.Popen[bytes], deadline: float) -> tuple[float, int]:
    """Return the peaks of memory and open files once it has ended.

    The kernel keeps the peak of the memory, so looking often is needed for the files only. It is
    not `wait4` that is asked: that tells the largest of the command and of its own children.
    """
    memory, files = 0.0, 0
    while process.poll() is None and host.now() < deadline:
        memory = max(memory, host.read_memory(process.pid, "VmHWM"))
        files = max(files, host.count_files(process.pid) or 0)
        SystemClock().sleep(LOOK_EVERY)
    return memory, files


def _end(process: subprocess.Popen[bytes]) -> None:
    """See to it that it has ended, by its own undoing where it takes that chance."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(GRACE)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
