"""The line that says what is waited for, for how long, and how long at most."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from orchestrator.events import Event, Noticed, Waiting
from orchestrator.release.phases import Phase
from orchestrator.spinner import Spinner, Wait
from tests.fakes.apps import App
from tests.fakes.clock import FakeClock
from tests.fakes.world import World

if TYPE_CHECKING:
    from pathlib import Path

WAITS = [
    (Wait("drain", began=2.0), "drain  8 s"),
    (Wait("build", began=2.0, noticed="Step 3/8 : RUN make"), "build  8 s: Step 3/8 : RUN make"),
    (
        Wait("drain", began=2.0, what="until v1 has answered all", within=30.0),
        "drain  8 s, at most 22 s more: until v1 has answered all",
    ),
    (
        Wait("drain", 0, 2.0, "until v1 has answered all", 30.0, "3 connections"),
        "drain  8 s, at most 22 s more: until v1 has answered all (3 connections)",
    ),
    (
        Wait("", began=2.0, what="until db is ready", within=60.0, noticed="starting"),
        "8 s, at most 52 s more: until db is ready (starting)",
    ),
    (
        Wait("gate", began=2.0, what="2 good answers", within=5.0),
        "gate  8 s, its time is up: 2 good answers",
    ),
    (Wait(what="looking at the stack"), "looking at the stack"),
    (Wait("build", began=2.0, what="two\nlines\x1b[2J"), r"build  8 s: two lines\x1b[2J"),
    (Wait(), ""),
]


@pytest.mark.parametrize(("wait", "line"), WAITS)
def test_a_wait_is_told_in_a_line(wait: Wait, line: str) -> None:
    """The phase, how long, how long at most, what for, and what was seen of it last."""
    assert wait.tell(10.0) == line


def draw(columns: int, clock: FakeClock) -> tuple[Spinner, StringIO]:
    """Return a spinner on a terminal in memory."""
    out = StringIO()
    screen = Console(file=out, width=columns, force_terminal=True, color_system=None)
    return Spinner(screen, clock), out


@pytest.mark.parametrize("columns", [20, 80, 120])
def test_the_line_is_never_two(columns: int) -> None:
    """A narrow terminal cuts it: what is drawn over must be one line."""
    spinner, out = draw(columns, FakeClock())
    spinner.begin("drain")
    spinner.wait("until " + "v" * 200 + " has answered all", 30.0)
    spinner.stop(over=True)
    lines = [line for line in out.getvalue().replace("\r", "\n").split("\n") if "drain" in line]

    assert lines
    assert all("…" in line or len(line) < columns for line in lines)


def test_the_time_counts_from_what_is_waited_for() -> None:
    """What is noticed meanwhile does not begin it anew; another wait does; work is its phase's."""
    clock = FakeClock()
    spinner, out = draw(120, clock)

    def shown() -> str:
        out.truncate(0)
        spinner.notice("seen")
        spinner.stop()
        return out.getvalue()

    spinner.begin("start")
    clock.sleep(3)
    spinner.wait("until blue is quiet", 10.0)
    clock.sleep(4)
    assert "start  4 s, at most 6 s more: until blue is quiet (seen)" in shown()
    spinner.work("starting web-green-1")
    assert "start  7 s: starting web-green-1 (seen)" in shown()
    spinner.begin("gate")
    assert "gate  0 s: seen" in shown()


def told(world: World, phase: Phase) -> list[Event]:
    """Return what a release of v2 says to who looks on while a phase lasts."""
    found: list[Event] = []
    world.on_begin(phase, world.events.clear)
    world.on_end(phase, lambda: found.extend(world.events))
    world.deploy("v2")
    return [event for event in found if isinstance(event, Waiting | Noticed)]


def test_each_long_phase_says_for_how_long_at_most(tmp_path: Path) -> None:
    """The numbers are those of stack.yaml."""
    world = World(tmp_path).begin()
    waits = [event for event in told(world, Phase.GATE) if isinstance(event, Waiting)]

    assert waits == [Waiting("2 healthy answers in a row", 5.0)]


def test_a_drain_counts_who_is_not_answered_yet(tmp_path: Path) -> None:
    """Once a second, so that nobody takes a long one for a standstill."""
    world = World(tmp_path).begin()
    clings_to = world.host.habits.clings_to
    world.on_begin(Phase.DRAIN, lambda: clings_to.update(v1=world.clock.monotonic() + 3.0))
    seen = told(world, Phase.DRAIN)

    assert seen[0] == Waiting("until v1 has answered all", 5.0)
    assert [event for event in seen[1:] if event != Noticed("2 connections")] == []
    assert 2 <= len(seen) <= 4


def test_a_retirement_names_who_still_runs(tmp_path: Path) -> None:
    """A container that ignores its stop signal is seen to do so."""
    seen = told(World(tmp_path).begin(), Phase.RETIRE)

    assert seen[:2] == [
        Waiting("until v1 stops", 10.0),
        Noticed("notes-blue-1 and notes-blue-2 still run"),
    ]
    assert seen[2] in [Noticed(f"notes-blue-{number} still runs") for number in (1, 2)]
    assert len(seen) == 3


def test_a_database_is_waited_for_by_name(tmp_path: Path) -> None:
    """`up` says which accessory is not ready, and how long it may take."""
    world = World(tmp_path, accessories={"db": {"image": "mongo:8", "port": 27017}})
    world.host.apps["mongo:8"] = App(port=27017)
    world.up()

    assert Waiting("until db is ready", 60.0) in world.events
