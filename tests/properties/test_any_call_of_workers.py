"""At each single call of the engine, releases of workers and of what must be alone: it fails, a signal
comes, the command dies.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from orchestrator.release.phases import Phase
from orchestrator.signals import listen
from tests.fakes.death import Killed, assert_clean, bury, calls_of, die, kill, meet
from tests.fakes.faults import ALWAYS, Fault, listening, press
from tests.fakes.workers import WorkerWorld, WriterWorld, find_overlaps
from tests.properties.budget import STRIDE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.fakes.world import World

KINDS: dict[str, Callable[[Path], World]] = {
    "worker": partial(WorkerWorld, strategy="blue-green"),
    "alone": partial(WorkerWorld, strategy="recreate"),
    "writer": WriterWorld,
}
KIND = pytest.mark.parametrize("kind", KINDS)
LATE = pytest.mark.parametrize("late", [False, True], ids=["before", "after"])


def open_world(folder: Path, kind: str) -> World:
    """Return a stack whose service v1 runs."""
    folder.mkdir(exist_ok=True)
    world = KINDS[kind](folder)
    world.up()
    return world


def assert_apart(world: World, at: object) -> None:
    """No two versions of a worker that must be alone ran at the same time."""
    if world.notes["strategy"] == "recreate":
        assert find_overlaps(world.host.changes) == [], at


@KIND
@LATE
def test_one_version_works_after_any_call_that_fails(
    tmp_path: Path,
    kind: str,
    late: bool,  # noqa: FBT001
) -> None:
    """The old or the new one, as is said; what an answer that was lost has left, the next one removes."""
    world = open_world(tmp_path, kind)
    serving = "v0"
    for skip in range(calls_of(world, lambda: world.deploy("v0"))):
        meet(world, Fault(skip=skip, late=late))
        result = world.deploy(f"v{skip}-spoiled")
        world.engine.faults.clear()

        assert result.outcome in ("deployed", "reverted"), (skip, result.error)
        serving = result.version if result.outcome == "deployed" else serving
        if result.warnings:  # the old one could not be stopped: the next command does it
            world.prune()
        assert world.serving() == {serving}, (skip, result)
        assert_apart(world, skip)


@KIND
@LATE
def test_one_version_works_after_a_signal_at_any_call(
    tmp_path: Path,
    kind: str,
    late: bool,  # noqa: FBT001
) -> None:
    """Exit 130; a release that was not promoted has left nothing behind."""
    world = open_world(tmp_path, kind)
    serving = "v0"
    with listening():
        for skip in range(calls_of(world, lambda: world.deploy("v0"))):
            listen()
            meet(world, Fault(skip=skip, late=late, error=press))
            result = world.deploy(f"v{skip}-torn")

            assert result.exit_code == 130, skip
            assert result.outcome in ("deployed", "reverted"), (skip, result.error)
            serving = result.version if result.outcome == "deployed" else serving
            if result.outcome == "deployed":
                world.hooks.clear()
                world.prune()
            assert world.serving() == {serving}, skip
            assert world.status().recovery == (), skip
            assert_apart(world, skip)


@KIND
@pytest.mark.parametrize("command", ["deploy", "rollback"])
def test_one_version_works_after_a_death_at_any_call(
    tmp_path: Path,
    command: str,
    kind: str,
) -> None:
    """Killed just after each single call, so just before the next; another command puts it right."""

    def make(number: int) -> tuple[World, Callable[[], object]]:
        world = open_world(tmp_path / str(number), kind)
        world.deploy("v0")
        world.deploy("v1")
        return world, partial(world.deploy, "v2") if command == "deploy" else world.rollback

    rehearsed, act = make(-1)
    for skip in range(0, calls_of(rehearsed, act), STRIDE):
        world, act = make(skip)
        meet(world, Fault(skip=skip, times=ALWAYS, late=True, error=Killed))
        try:
            act()
        except Killed:
            pass
        else:
            continue  # it was over before
        bury(world)
        at_work = world.serving()
        assert at_work or kind != "worker", skip
        world.prune()
        assert len(world.serving()) == 1, skip
        assert world.status().recovery == (), skip
        assert_apart(world, skip)
        assert_clean(world)
        assert_apart(world, skip)


@KIND
@pytest.mark.parametrize("phase", [Phase.GATE, Phase.PROMOTE, Phase.CONFIRM, Phase.RETIRE])
def test_one_version_works_after_a_death_while_things_are_put_right(
    tmp_path: Path,
    phase: Phase,
    kind: str,
) -> None:
    """The command after the next one puts right what both have left."""
    number = 0
    while True:
        world = open_world(tmp_path / str(number), kind)
        world.on_begin(phase, partial(kill, world))
        die(world, partial(world.deploy, "v2"))
        world.engine.fail(Fault(skip=number, times=ALWAYS, error=Killed))
        try:
            world.prune()
        except Killed:
            bury(world)
        else:
            break  # it was over before
        world.prune()
        assert world.serving() == {"v2" if phase in (Phase.CONFIRM, Phase.RETIRE) else "v1"}, number
        assert_apart(world, number)
        assert_clean(world, dead=2)
        assert_apart(world, number)
        number += 1
    assert number > 10


@pytest.mark.parametrize("kind", ["alone", "writer"])
def test_one_version_works_after_a_death_while_a_release_is_undone(
    tmp_path: Path, kind: str
) -> None:
    """It was promoted, and could not be confirmed: back it goes, and dies on the way at any call."""
    number = 0
    while True:
        world = open_world(tmp_path / str(number), kind)

        def tear(world: World = world, skip: int = number) -> None:
            world.engine.fail(Fault(skip=skip, times=ALWAYS, late=True, error=Killed))
            raise OSError("the disk is full")

        world.on_begin(Phase.CONFIRM, tear)
        try:
            world.deploy("v2")
        except Killed:
            bury(world)
        except OSError:
            break  # it was over before
        world.prune()
        assert len(world.serving()) == 1, number
        assert_apart(world, number)
        assert_clean(world)
        assert_apart(world, number)
        number += 1
    assert number > 5
