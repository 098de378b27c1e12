"""`make benchmark`: every number of the README in one run, side by side. Nothing is asserted."""

from __future__ import annotations

import sys
from importlib import import_module

PARTS = (
    "startup",
    "adoption",
    "first_answer",
    "script",
    "endings",
    "going_back",
    "growth",
    "throughput",
    "dead_replica",
    "losses",
)


def main() -> None:
    """Measure the named parts, or all."""
    print(f"{'figure':<47} {'measured':>9}   goal      met  how")
    for name in sys.argv[1:] or PARTS:
        for figure in import_module(f"benchmarks.{name}").measure():
            print(figure.line(), flush=True)


main()
