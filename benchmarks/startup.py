"""How long the command line takes to say anything."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNS = 15
STACKCTL = Path(sys.executable).with_name("stackctl")


def measure() -> Iterator[Figure]:
    """Yield `stackctl --help` over `python -c pass`, run in turn."""
    command, floor = [], []
    for _ in range(RUNS):
        command.append(_time(str(STACKCTL), "--help"))
        floor.append(_time(sys.executable, "-c", "pass"))
    ours, bare = statistics.median(command), statistics.median(floor)
    yield Figure(
        "stackctl --help / python -c pass",
        ours / bare,
        5,
        "lower",
        f"{ours * 1000:.0f} ms / {bare * 1000:.0f} ms, median of {RUNS}",
    )


def _time(*argv: str) -> float:
    started = time.perf_counter()
    subprocess.run(argv, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started
