"""At each single call of the engine, one after the other: it fails, a signal comes, the command dies."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import EngineError, StackctlError
from orchestrator.release.phases import Phase
from orchestrator.signals import listen
from tests.fakes.death import Killed, assert_clean, bury, calls_of, die, kill, meet
from tests.fakes.earlier import make_earlier
from tests.fakes.faults import ALWAYS, Fault, listening, press
from tests.fakes.world import World, open_pair
from tests.properties.budget import STRIDE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.release.result import Result


@pytest.mark.parametrize("late", [False, True], ids=["refused", "answer lost"])
def test_no_single_call_that_fails_takes_users_away(tmp_path: Path, late: bool) -> None:  # noqa: FBT001
    """Each call of the engine fails once: users have the old or the new version, as is said."""
    world = World(tmp_path).begin()
    serving = "v0"
    for skip in range(calls_of(world, lambda: world.deploy("v0"))):
        meet(world, Fault(skip=skip, late=late))
        result = world.deploy(f"v{skip}-spoiled")

        assert result.outcome in ("deployed", "reverted"), (skip, result.error)
        serving = result.version if result.outcome == "deployed" else serving
        assert world.serving() == {serving}, (skip, result)
        assert world.host.cut == [], (skip, world.engine.calls[-40:])
        left = [name for name in world.states() if name.endswith(".aside")]
        assert result.outcome == "deployed" or not left, skip
        assert (world.folder / str(result.evidence) / "evidence.json").exists()
        world.engine.faults.clear()


def test_an_engine_that_goes_away_for_good_leaves_users_where_they_are(tmp_path: Path) -> None:
    """From each call on none succeeds: nobody is cut off, and the evidence is there."""
    world = World(tmp_path).begin()
    serving = {"v0"}
    for skip in range(0, calls_of(world, lambda: world.deploy("v0")), 2):
        meet(world, Fault(skip=skip, times=ALWAYS))
        result = world.deploy(f"v{skip}-spoiled")
        world.engine.faults.clear()

        assert world.serving() <= {*serving, result.version}, (skip, result)
        assert len(world.serving()) == 1
        assert world.host.cut == []
        assert world.evidence(result)["outcome"] == result.outcome
        serving = world.serving()


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_a_signal_at_any_call_is_undone_by_phase(tmp_path: Path, late: bool) -> None:  # noqa: FBT001
    """At each call of the engine: exit 130, one version serves, and nothing else is left over."""
    world = World(tmp_path).begin()
    serving = "v0"
    with listening():
        for skip in range(calls_of(world, lambda: world.deploy("v0"))):
            listen()
            meet(world, Fault(skip=skip, late=late, error=press))
            result = world.deploy(f"v{skip}-torn")

            assert result.exit_code == 130, skip
            assert result.outcome in ("deployed", "reverted"), (skip, result.error)
            serving = result.version if result.outcome == "deployed" else serving
            assert world.serving() == {serving}, skip
            assert result.outcome == "deployed" or world.status().recovery == (), skip
            assert world.host.cut == [], skip
            assert world.evidence(result)["outcome"] == result.outcome


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
    for skip in range(0, calls_of(rehearsed, lambda: command(rehearsed)), STRIDE):
        world = make(skip)
        served = world.serving()
        meet(world, Fault(skip=skip, times=ALWAYS, late=late, error=Killed))
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


def test_an_up_that_an_engine_error_ends_is_finished_by_the_next(tmp_path: Path) -> None:
    """Each call fails once: users keep their version, and running it again completes it."""
    running = open_pair(tmp_path).begin()
    for number in range(60):
        running.document["gateway"]["keepalive"] = f"{20 + number}s"
        running.clock.sleep(1)
        fault = Fault(skip=number)
        running.engine.fail(fault)
        failed = False
        try:
            failed = running.up().exit_code != 0
        except EngineError:
            failed = True
        running.engine.faults.clear()

        assert running.serving() == {"v1"}, number
        running.up()
        assert running.host.nginx is not None
        assert f" {20 + number}s;" in running.host.nginx.text
        assert running.host.cut == []
        if fault.times > 0:  # it never struck: that was one call more than there are
            assert not failed
            return
    pytest.fail("an `up` has more than 60 calls")


def test_a_move_that_breaks_off_is_finished_by_the_next_up(tmp_path: Path) -> None:
    """Each call fails once: users keep what they have."""
    for skip in range(40):
        folder = tmp_path / str(skip)
        folder.mkdir()
        world = World(folder).begin()
        world.deploy("v2")
        make_earlier(world)
        world.engine.fail(Fault(skip=skip))
        with suppress(StackctlError):
            world.up()
        world.engine.faults.clear()
        assert world.up().exit_code == 0, skip
        assert world.serving() == {"v2"}, skip
        assert world.host.cut == [], skip
