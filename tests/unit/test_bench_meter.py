"""The live figures where stderr is no terminal."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.bench.points import Look
from orchestrator.bench.session import Tick
from orchestrator.commands.bench import Meter
from orchestrator.console import Console
from orchestrator.settings import Settings
from tests.fakes.clock import FakeClock


@pytest.mark.parametrize(
    ("runs", "start"),
    [(1, "  0 of 30 s: "), (3, "  run 1 of 3, 0 of 30 s: ")],
    ids=["one", "three"],
)
def test_a_line_comes_now_and_then(
    capsys: pytest.CaptureFixture[str], runs: int, start: str
) -> None:
    """Not one a look; stdout stays for the data."""
    clock = FakeClock()
    meter = Meter(Console(Settings(Path(), "text", color=False)), clock)
    for _ in range(12):
        clock.sleep(1)
        meter.show(Tick(1, runs, 0.0, 30.0, Look(1200, 3, 41.4, 7.25, 0.0)))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == 2 * [f"{start}41 requests/s, p95 7.2 ms, 3 of 1,200 failed"]
