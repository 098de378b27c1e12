"""A release of a service with assets is killed at each single call of the engine, one after the other."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from tests.fakes.assets import found, with_assets
from tests.fakes.death import Killed, bury, calls_of, meet
from tests.fakes.faults import ALWAYS, Fault
from tests.fakes.world import World
from tests.properties.budget import STRIDE

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.gateway.lane import Target


@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_death_at_any_call_of_a_release_with_assets(tmp_path: Path, late: bool) -> None:  # noqa: FBT001
    """No client gets a file of another version in place of its own's; the next release finds all."""
    rehearsed = make(tmp_path / "first")
    for skip in range(0, calls_of(rehearsed, lambda: rehearsed.deploy("v2")), STRIDE):
        world = make(tmp_path / str(skip))
        meet(world, Fault(skip=skip, times=ALWAYS, late=late, error=Killed))
        with suppress(Killed):
            world.deploy("v2")
        bury(world)

        served = active(world)
        assert found(world, served.color).items() <= files("v0", "v1", "v2").items(), skip
        assert f"static/{served.version}.js" not in found(world, served.color), skip
        world.up()
        had = active(world).version
        assert world.deploy("v3").outcome == "deployed", skip
        assert found(world, active(world).color) == files(*{"v0", "v1", had}), skip


def make(folder: Path) -> World:
    """Return a world that v1 serves, with v0 before it; all versions have files."""
    folder.mkdir()
    world = with_assets(World(folder))
    world.notes["version"] = "v0"
    world.up()
    world.deploy("v1")
    return world


def active(world: World) -> Target:
    """Return who serves."""
    lane = world.house.admin.lane("notes")
    assert lane is not None
    assert lane.active is not None
    return lane.active


def files(*versions: str) -> dict[str, str]:
    """Return the files that are versions' own."""
    return {f"static/{one}.js": one for one in versions}
