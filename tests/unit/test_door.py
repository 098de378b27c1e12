"""The door that users come through is the one that is looked at: NGINX's admin listener answers, and
nobody gets in.
"""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from orchestrator.dashboard import draw
from orchestrator.errors import GatewayError
from orchestrator.events import Recovered
from orchestrator.release.phases import Phase
from orchestrator.release.reach import require_door
from tests.fakes.death import BLUE, die, kill
from tests.fakes.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ROUTES = [{"path": "/notes/"}]
LOOPBACK = "127.0.0.1:8280"
SHUT = f"nobody is answered at {LOOPBACK}, though the gateway runs"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A stack that serves v1 at an address of the loopback: the engine's own process leads there."""
    world = World(tmp_path)
    world.document["gateway"]["listen"] = LOOPBACK
    world.notes["routes"] = ROUTES
    return world.begin()


def kill_proxy(world: World) -> None:
    """Let the engine's process die that hands connections on."""
    world.host.proxy_died = True


def listen_everywhere(world: World) -> None:
    """Have the gateway at all addresses, and the engine's process dead."""
    world.document["gateway"]["listen"] = "8280"
    world.up(allow_downtime=True)
    kill_proxy(world)


def shown(world: World) -> str:
    """Return the dashboard's text."""
    console = Console(file=StringIO(), width=120)
    console.print(draw(world.status()))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_a_door_that_is_open_is_told_and_needs_no_engine(world: World) -> None:
    """To ask there takes no call of the engine, in a release neither."""
    world.engine.calls.clear()
    require_door(world.house, "notes")
    assert world.engine.calls == []

    gateway = world.status().gateway

    assert (gateway.door, gateway.trouble, gateway.hint) == ("open", "", "")
    assert len(world.engine.calls) <= 3
    assert "nobody" not in shown(world)


def test_the_status_says_that_nobody_gets_in(world: World) -> None:
    """However healthy all replicas are."""
    kill_proxy(world)
    status = world.status()

    assert status.services[0].active is not None
    assert status.services[0].active.healthy == 2
    assert (status.gateway.door, status.gateway.trouble) == ("shut", SHUT)
    assert f"{SHUT}: `stackctl up` mends it" in shown(world).replace("\n", " ")


@pytest.mark.parametrize(
    "act", [lambda world: world.deploy("v2"), World.rollback], ids=["deploy", "rollback"]
)
def test_a_release_begins_nothing_while_nobody_gets_in(
    world: World, act: Callable[[World], object]
) -> None:
    """Nothing is built, moved or started, and the hint is what mends it."""
    world.document["services"]["notes"]["routes"] = []
    world.deploy("v2")  # without a witness, for want of a route
    world.notes["routes"] = ROUTES
    world.changes()
    world.host.proxy_died = True
    result = act(world)

    assert getattr(result, "outcome", None) == "reverted"
    error = getattr(result, "error", None)
    assert isinstance(error, GatewayError)
    assert (error.message, error.hint) == (SHUT, "`stackctl up` mends it")
    assert world.changes() == []
    assert world.serving() == {"v2"}


@pytest.mark.parametrize("phase", [Phase.PLAN, Phase.START, Phase.GATE], ids=str)
def test_no_link_is_moved_once_nobody_gets_in(tmp_path: Path, phase: Phase) -> None:
    """The door may die while a release is on its way: it is looked at again before the switch."""
    world = World(tmp_path)
    world.notes["routes"] = ROUTES
    world.on_end(phase, lambda: kill_proxy(world))
    world.document["gateway"]["listen"] = LOOPBACK
    done = world.up()

    assert done.services[0].outcome == "reverted"
    assert done.services[0].error is not None
    assert done.services[0].error.message == SHUT
    assert not [name for name in world.states() if name.startswith("notes")]
    assert world.house.admin.lanes() == {}


def test_a_service_that_nobody_comes_to_is_released_all_the_same(tmp_path: Path) -> None:
    """It has no route, so no witness either: its users are other services."""
    world = World(tmp_path).begin()
    world.host.blocked = True

    assert world.deploy("v2").outcome == "deployed"


def test_up_restarts_a_gateway_that_nobody_gets_to(world: World) -> None:
    """It is told, and the release that was refused goes on afterwards."""
    kill_proxy(world)
    before = world.host.box("shop-gateway").id
    done = world.up()

    assert (done.gateway, done.mended, done.exit_code) == (
        "restarted",
        (f"{SHUT}: it was restarted",),
        0,
    )
    assert Recovered(f"{SHUT}: it was restarted") in world.events
    assert world.changes() == [("stop", "gateway"), ("start", "gateway")]
    assert world.host.box("shop-gateway").id == before
    assert world.status().gateway.door == "open"
    assert world.serving() == {"v1"}
    assert world.up().gateway == "unchanged"


def test_a_door_that_no_restart_opens_is_an_error(world: World) -> None:
    """A firewall is in the way, or another program: the gateway runs, and `up` says so."""
    world.host.blocked = True
    with pytest.raises(GatewayError, match="though the gateway runs and was restarted") as caught:
        world.up()

    assert "iptables" in str(caught.value.hint)
    assert world.serving() == {"v1"}


def test_nobody_who_gets_in_another_way_is_cut_off(world: World) -> None:
    """The engine's process leads only who is on this machine; a restart would cut all others."""
    listen_everywhere(world)
    world.changes()
    done = world.up()

    assert (done.gateway, world.changes()) == ("unchanged", [])
    assert done.warnings == (
        (
            "nobody on this machine is answered at 127.0.0.1:8280; users of other machines are:"
            " `stackctl up --allow-downtime` restarts the gateway"
        ),
    )
    assert world.status().gateway.door == "half open"
    assert world.up(allow_downtime=True).gateway == "restarted"
    assert world.status().gateway.door == "open"


def test_another_address_in_the_file_is_told_as_such(world: World) -> None:
    """What is published is where it was: a restart would change nothing."""
    world.document["gateway"]["listen"] = "127.0.0.1:8290"
    world.changes()
    gateway = world.status().gateway

    assert gateway.trouble == (
        "the gateway is published at 127.0.0.1:8280, and stack.yaml says 127.0.0.1:8290"
    )
    assert gateway.hint == "`stackctl up --allow-downtime` recreates the gateway"
    assert world.up().gateway == "reconfigured"
    assert not {"stop", "start"} & {what for what, _ in world.changes()}
    result = world.deploy("v2")
    assert (result.outcome, getattr(result.error, "hint", "")) == ("reverted", gateway.hint)
    assert world.up(allow_downtime=True).gateway == "recreated"
    assert world.status().gateway.door == "open"


def test_an_address_that_no_interface_has_is_not_restarted_for(world: World) -> None:
    """It could not be published there again; as it is, it comes back with the address."""
    world.document["gateway"]["listen"] = "192.0.2.7:80"
    world.up(allow_downtime=True)
    world.changes()
    world.host.foreign.add("192.0.2.7")
    with pytest.raises(GatewayError, match="this machine does not have that address"):
        world.up()

    assert world.changes() == []
    world.host.foreign.clear()
    assert world.up().gateway == "unchanged"


def test_nginx_that_is_busy_is_not_restarted(world: World) -> None:
    """Where it does not answer behind its door either, whoever waits would be cut off for nothing."""
    world.host.habits.deaf = True
    with pytest.raises(GatewayError, match="nor behind it"):
        world.up()

    assert world.changes() == []


def test_an_engine_elsewhere_is_told_apart_from_a_dead_door(world: World) -> None:
    """Its admin address was forwarded, its public one not: nothing is restarted for that."""
    kill_proxy(world)
    world.host.foreign.update(one.gateway for one in world.host.networks.values())
    told = f"{LOOPBACK} is not reached from here: the engine is on another machine"
    done = world.up()

    assert (done.gateway, done.exit_code, world.changes()) == ("unchanged", 0, [])
    assert [warning.startswith(told) for warning in done.warnings] == [True]
    assert world.status().gateway.door == "away"
    result = world.deploy("v2")
    assert (result.outcome, getattr(result.error, "message", "")) == ("reverted", told)
    world.notes["routes"] = []
    assert world.deploy("v2").outcome == "deployed"


def test_what_a_dead_release_left_is_not_moved_behind_a_shut_door(world: World) -> None:
    """Nobody could confirm the move; `up` opens the door first."""
    for name in BLUE:  # so that nobody is called as a witness
        world.host.end("stop", world.host.box(f"shop-{name}"))
    world.on_begin(Phase.RETIRE, lambda: kill(world))
    die(world, lambda: world.deploy("v2"))
    kill_proxy(world)
    with pytest.raises(GatewayError, match="nobody is answered"):
        world.prune()

    world.up()
    assert world.status().recovery == ()


@pytest.mark.parametrize("internal", [False, True])
def test_a_gateway_taken_out_of_its_network_is_taken_in_again(
    tmp_path: Path, *, internal: bool
) -> None:
    """Its ports lead nowhere without one; `status` says what mends it."""
    world = World(tmp_path, internal=internal).begin()
    for network in ("shop-net", "shop-edge") if internal else ("shop-net",):
        world.engine.disconnect("shop-gateway", network)
    with pytest.raises(GatewayError, match="is not in the network `shop-net`") as caught:
        world.status()
    assert caught.value.hint == "`stackctl up` mends it"

    done = world.up()
    assert done.mended[0] == "the gateway was not in the network `shop-net`: it is now"
    assert len(done.mended) == (2 if internal else 1)
    assert world.status().gateway.door == "open"
