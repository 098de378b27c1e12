"""stackctl where the gateway's admin address leads elsewhere: it says so, and changes nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.asking import Answer, Unanswered
from orchestrator.errors import GatewayError
from orchestrator.gateway.admin import Admin
from orchestrator.gateway.passage import Entrance, find_entrance
from orchestrator.release.observe import observe
from orchestrator.release.reach import Door, look_at_door, pick_complaints
from orchestrator.stack.quantities import Address
from tests.fakes.faults import ALWAYS, Fault
from tests.fakes.wire import ask_by
from tests.fakes.world import World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SOON = 5.0  # seconds; a gateway that is on its way has twenty


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A stack that serves v1."""
    return World(tmp_path).begin()


@pytest.mark.parametrize(
    "act",
    [
        World.status,
        World.up,
        lambda world: world.up(allow_downtime=True),
        lambda world: world.deploy("v2"),
        World.rollback,
    ],
    ids=["status", "up", "up with downtime", "deploy", "rollback"],
)
def test_a_gateway_that_is_not_reached_from_here_is_told(
    world: World, act: Callable[[World], object]
) -> None:
    """Soon, and before anything is changed: users are served all the while."""
    world.host.elsewhere = True
    world.notes["port"] = 9000
    before, began = world.states(), world.clock.monotonic()
    with pytest.raises(GatewayError) as caught:
        act(world)

    assert caught.value.message == (
        "the gateway runs, but nothing is reached at 127.0.0.1:8081 from here"
    )
    assert "on the engine's host" in str(caught.value.hint)
    assert world.clock.monotonic() - began < SOON
    assert (world.states(), world.serving()) == (before, {"v1"})
    assert [change for change in world.host.changes if "lock" not in change.subject] == []


def test_a_gateway_that_hangs_is_not_told_as_unreachable(world: World) -> None:
    """Connections are taken, and nobody answers: that is another fault."""
    world.host.silent = 10_000
    with pytest.raises(GatewayError, match="does not answer at"):
        world.deploy("v2")


def test_a_gateway_that_cannot_be_looked_into_is_waited_for(world: World) -> None:
    """An engine that fails at this is no proof of anything."""
    world.host.elsewhere = True
    world.engine.fail(Fault("execute", times=ALWAYS))
    with pytest.raises(GatewayError, match="does not answer at"):
        world.deploy("v2")


def test_complaints_are_those_of_nginx_and_name_no_client() -> None:
    """The access log, and whoever asked for what, stay in the engine."""
    log = """
{"time":"1","client":"192.0.2.7","uri":"/private"}
2026/01/01 00:00:00 [emerg] 1#1: mkdir() failed (30: Read-only file system)
2026/01/01 00:00:00 [error] 7#7: *3 upstream timed out, client: 192.0.2.7, request: "GET /private"
{"time":"2","client":"192.0.2.7","uri":"/private"}
"""
    told = pick_complaints(log)
    assert told.split("\n") == [
        "2026/01/01 00:00:00 [emerg] 1#1: mkdir() failed (30: Read-only file system)",
        "2026/01/01 00:00:00 [error] 7#7: *3 upstream timed out",
    ]
    assert pick_complaints('{"client":"192.0.2.7"}\n') == ""


def refuse(*_: object, **__: object) -> Answer:
    """Let nobody in."""
    raise Unanswered("ConnectError")


def look_from_afar(world: World) -> Door:
    """Look at a door that is not reached over the network, with NGINX asked in its container."""
    gateway = world.house.stack.gateway
    inside = ask_by(world.host.listen)
    admin = Admin(gateway.admin, gateway.listen, refuse, inside=inside)
    house = replace(world.house, admin=admin)
    assert admin.serving() == world.house.admin.serving()
    return look_at_door(house, observe(house))


def test_from_another_machine_a_door_that_is_not_reached_is_told_from_a_gateway_that_is_deaf(
    world: World,
) -> None:
    """And from one that is published at another address than stack.yaml says."""
    assert look_from_afar(world) is Door.AWAY
    world.document["gateway"]["listen"] = "9090"
    assert look_from_afar(world) is Door.MOVED
    del world.document["gateway"]["listen"]
    world.host.silent = 10_000
    assert look_from_afar(world) is Door.DEAF


def test_from_another_machine_a_door_is_at_its_machines_name(world: World) -> None:
    """Or at the address of that machine that it listens at."""
    for listen, door in (
        (Address("0.0.0.0", 80), Address("vps.example", 80)),
        (Address("10.0.0.7", 80), Address("10.0.0.7", 80)),
    ):
        found = find_entrance(listen, "vps.example", world.engine, "shop-gateway")
        assert found == Entrance(door, door)
