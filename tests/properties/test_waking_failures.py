"""`up` of a service that was stopped by hand: each single call fails, or is the command's last one."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from orchestrator.errors import StackctlError
from tests.fakes.death import Killed, bury, meet
from tests.fakes.faults import ALWAYS, Fault
from tests.fakes.world import World
from tests.properties.budget import STRIDE

if TYPE_CHECKING:
    from pathlib import Path

MOST = 200  # calls of an `up`, a release in it


def rest(folder: Path) -> World:
    """Return a stack of which v2 was stopped by hand, and v1 is kept."""
    folder.mkdir()
    world = World(folder).begin()
    world.deploy("v2")
    for number in (1, 2):
        world.engine.stop(world.host.box(f"shop-notes-green-{number}").id, 0)
    world.events.clear()
    return world


def test_an_up_that_starts_a_service_again_survives_each_failure(tmp_path: Path) -> None:
    """Users have their version after it, or after the next `up`, and nothing is left to be put right."""
    for skip in range(0, MOST, 3 * STRIDE):
        world = rest(tmp_path / str(skip))
        fault = Fault(skip=skip)
        world.engine.fail(fault)
        with suppress(StackctlError):
            world.up()
        world.engine.faults.clear()

        assert world.up().exit_code == 0, skip
        assert world.serving() == {"v2"}, skip
        assert world.status().recovery == (), skip
        if fault.times > 0:  # it was over before
            assert world.rollback().version == "v1"
            return
    raise AssertionError(f"an `up` has more than {MOST} calls")


def test_an_up_that_dies_while_it_starts_a_service_again_is_finished_by_the_next(
    tmp_path: Path,
) -> None:
    """Killed after each single call: the same containers run in the end, and what was kept is kept."""
    for skip in range(0, MOST, STRIDE):
        world = rest(tmp_path / str(skip))
        meet(world, Fault(skip=skip, times=ALWAYS, late=True, error=Killed))
        try:
            world.up()
        except Killed:
            bury(world)
        else:
            return
        world.engine.faults.clear()

        assert world.up().exit_code == 0, skip
        assert world.serving() == {"v2"}, skip
        assert world.status().recovery == (), skip
        assert world.rollback().version == "v1", skip
    raise AssertionError(f"an `up` has more than {MOST} calls")
