"""A stack that an earlier stackctl brought up: `up` moves it to the layout of this one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.gateway.config import Earlier
from orchestrator.release.observe import observe
from tests.fakes.earlier import make_earlier
from tests.fakes.world import World

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack whose users have v2 from green, as an earlier stackctl has left it."""
    world = World(tmp_path).begin()
    world.deploy("v2")
    make_earlier(world)
    world.changes()
    return world


def test_a_release_on_an_earlier_layout_says_what_to_do(world: World) -> None:
    """And changes nothing; `status` says the same."""
    assert isinstance(observe(world.house).strange, Earlier)
    result = world.deploy("v3")

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert result.error is not None
    assert result.error.hint == "move it over, no request is lost: `stackctl up`"
    assert "the stack was brought up by an earlier stackctl" in world.status().drift
    assert {name for _, name in world.changes()} <= {"notes:v3"}


def test_up_moves_the_stack_over(world: World) -> None:
    """Replicas are at their new addresses before NGINX knows of them; then each service is released."""
    done = world.up()

    assert (done.gateway, done.exit_code) == ("moved over", 0)
    assert [(r.outcome, r.version, r.color) for r in done.services] == [("deployed", "v2", "blue")]
    told = world.changes()
    joined = [number for number, (what, _) in enumerate(told) if what == "connect to shop-net"]
    assert max(joined) < told.index(("signal", "gateway"))
    assert [told[number][1] for number in joined] == ["gateway", "notes-green-1", "notes-green-2"]
    assert world.serving() == {"v2"}
    assert world.host.cut == []
    assert world.stored_configs() == (world.house.admin.serving(),)


def test_a_stack_that_was_moved_over_is_one_like_any_other(world: World) -> None:
    """A rollback to what the earlier stackctl has made makes it anew; nothing of before is left."""
    world.up()
    assert world.rollback("v1").outcome == "deployed"
    assert world.serving() == {"v1"}
    assert world.deploy("v3").outcome == "deployed"
    world.up(allow_downtime=True)

    assert set(world.host.networks) == {"shop-net"}
    assert world.status().drift == ()
    assert world.host.cut == []
