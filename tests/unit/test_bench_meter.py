"""The live figures: a bar for who looks at a terminal now, a line now and then for a log."""

from __future__ import annotations

import os
import pty
from pathlib import Path

import pytest

from orchestrator.bench.points import Look
from orchestrator.bench.session import Tick
from orchestrator.commands.bench import Meter, draw_progress
from orchestrator.console import Console
from orchestrator.settings import Settings
from orchestrator.terminal import draw_bar, is_live, open_stream
from tests.fakes.clock import FakeClock

LOOK = Look(1200, 3, 41.4, 7.25, 0.0)
TOLD = "41 requests/s, p95 7.2 ms, 3 of 1,200 failed"


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
        meter.show(Tick(1, runs, 0.0, 30.0, LOOK))
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.splitlines() == 2 * [f"{start}{TOLD}"]


@pytest.mark.parametrize(
    ("tick", "columns", "line"),
    [
        (Tick(1, 1, 0.0, 30.0, LOOK), 80, f"{'░' * 21} 0 of 30 s: {TOLD}"),
        (Tick(1, 1, 15.0, 30.0, LOOK), 80, f"{'█' * 10}{'░' * 10} 15 of 30 s: {TOLD}"),
        (Tick(2, 4, 30.0, 30.0, LOOK), 80, f"████░░░░ run 2 of 4, 30 of 30 s: {TOLD}"),
        (Tick(1, 1, 99.0, 30.0, LOOK), 200, f"{'█' * 40} 99 of 30 s: {TOLD}"),
        (Tick(1, 1, 0.5, 0.0, LOOK), 20, f"████░░░░ 0 of 0 s: {TOLD}"),
    ],
    ids=["begin", "half", "runs", "late", "narrow"],
)
def test_a_bar_shows_how_far_the_whole_load_test_is(tick: Tick, columns: int, line: str) -> None:
    """It takes the room that the figures leave on the line, and never less than can be seen."""
    assert draw_progress(tick, columns) == line


def test_a_bar_has_its_width_whatever_the_share() -> None:
    """Also where it says more than all, or less than nothing."""
    assert [draw_bar(share, 4) for share in (-1, 0, 0.5, 1, 7)] == [
        "░░░░",
        "░░░░",
        "██░░",
        "████",
        "████",
    ]


@pytest.mark.parametrize("variable", ["CI", "GITHUB_ACTIONS", "GITLAB_CI"])
def test_nothing_is_drawn_over_in_a_pipeline(
    monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    """Not even where it gives a terminal, or asks for colour: each redrawn line would be kept."""
    for name in ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    leader, follower = pty.openpty()
    with open(follower, "w", encoding="utf-8") as stream:  # noqa: PTH123  a descriptor
        assert is_live(stream)
        assert open_stream(stream, color=True).is_terminal
        monkeypatch.setenv(variable, "true")
        assert not is_live(stream)
        console = open_stream(stream, color=True)
        assert (console.is_terminal, console.width) == (False, 10_000)
        console.print("[green]done[/]")
        assert b"\x1b[32mdone" in os.read(leader, 100)
    os.close(leader)
