"""Death at any moment: a command is killed at each single call of the engine, one after the other."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from orchestrator.release.phases import Phase
from tests.fakes.death import Killed, assert_clean, bury, die, kill
from tests.fakes.faults import ALWAYS, Fault
from tests.fakes.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.release.result import Result


def calls_of(world: World, command: Callable[[], object]) -> int:
    """Return how many calls of the engine a command makes."""
    before = len(world.engine.calls)
    command()
    return len(world.engine.calls) - before


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_death_at_any_call_of_a_deploy(tmp_path: Path, late: bool) -> None:  # noqa: FBT001
    """Killed just before, or just after, each single call of the engine."""
    assert_survives(tmp_path, lambda world: world.deploy("v2"), late=late)


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_death_at_any_call_of_a_rollback(tmp_path: Path, late: bool) -> None:  # noqa: FBT001
    """What it woke goes back to sleep, or serves."""

    def roll_back(world: World) -> Result:
        return world.rollback("v0")

    assert_survives(tmp_path, roll_back, late=late, earlier="v0")


def assert_survives(
    folder: Path, command: Callable[[World], object], *, late: bool, earlier: str | None = None
) -> None:
    """Kill a command at each call of the engine in turn, in a world of its own."""

    def make(number: int) -> World:
        (folder / str(number)).mkdir()
        world = World(folder / str(number))
        world.up()
        if earlier:
            world.deploy(earlier)
            world.deploy("v1")
        return world

    rehearsed = make(-1)
    for skip in range(calls_of(rehearsed, lambda: command(rehearsed))):
        world = make(skip)
        served = world.serving()
        fault = Fault(skip=skip, times=ALWAYS, late=late, error=Killed)
        world.on_start(partial(world.engine.fail, fault))
        try:
            command(world)
        except Killed:
            pass
        else:
            continue  # it was over before
        bury(world)
        assert world.serving() <= {*served, "v2", "v0"}, skip
        assert len(world.serving()) == 1, skip
        world.up()
        assert_clean(world)


def test_death_at_any_call_while_things_are_put_right(tmp_path: Path) -> None:
    """The command after the next one puts right what both have left."""
    number = 0
    while True:
        (tmp_path / str(number)).mkdir()
        world = World(tmp_path / str(number))
        world.up()
        world.on_begin(Phase.DRAIN, partial(kill, world))
        die(world, partial(world.deploy, "v2"))
        world.engine.fail(Fault(skip=number, times=ALWAYS, error=Killed))
        try:
            world.up()
        except Killed:
            bury(world)
        else:
            break  # it was over before
        assert len(world.serving()) == 1, number
        world.up()
        assert_clean(world, dead=2)
        number += 1
    assert number > 20
