"""A stack that an earlier stackctl brought up: `up` moves it to the layout of this one."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import StackctlError
from orchestrator.gateway.config import MARK, Earlier
from orchestrator.release.observe import observe
from orchestrator.stack import naming
from tests.fakes.faults import Fault
from tests.fakes.world import World

if TYPE_CHECKING:
    from pathlib import Path

EARLIER = "20290101-000000-notes-v2.retire"
CONFIG = f"""# Rendered by stackctl from stack.yaml.
worker_shutdown_timeout 5000ms;
events {{
}}
http {{
    server {{

        location = /config {{
            alias /etc/stackctl/{EARLIER}/nginx.conf;
        }}

        location = /current {{
            alias /etc/stackctl/current/nginx.conf;
        }}
    }}
}}
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack whose users have v2 from green, as an earlier stackctl has left it."""
    world = World(tmp_path).begin()
    world.deploy("v2")
    make_earlier(world)
    world.changes()
    return world


def make_earlier(world: World) -> None:
    """Put the gateway's volume, the network and the labels as they were in layout 1."""
    lane = {
        "active": {"color": "green", "version": "v2", "replicas": 2, "release": "r2"},
        "preview": None,
        "previous": {"color": "blue", "version": "v1", "replicas": 2, "release": "r1"},
    }
    head = {"release": EARLIER.rpartition(".")[0], "step": "retire", "lanes": {"notes": lane}}
    gateway = world.host.box("shop-gateway")
    disk, root = gateway.find("/etc/stackctl")
    for path in disk.paths(root):
        disk.remove(path)
    disk.make(root / EARLIER)
    disk.put(root / EARLIER / "nginx.conf", f"{MARK}{json.dumps(head)}\n{CONFIG}")
    disk.link(root / "current", EARLIER)
    world.engine.ensure_network("shop", naming.labels("shop", "gateway"))
    for box in world.host.boxes.values():
        box.fixed, box.addresses = {"shop": None}, {}
        if box.state == "running":
            box.addresses = {"shop": world.host.pick("shop")}
        dropped = (naming.ADDRESS, naming.PORT, naming.LAYOUT)
        labels = {key: said for key, said in box.spec.labels.items() if key not in dropped}
        labels[naming.SPEC] = "0" * 16
        box.spec = replace(box.spec, labels=labels, network="shop", address=None)
    world.engine.remove_network("shop-net")
    assert gateway.nginx is not None
    gateway.nginx.hang_up()
    world.clock.sleep(1)


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
