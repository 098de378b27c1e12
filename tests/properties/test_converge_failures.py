"""`up` where something does not come up: a clear error, nothing half-done, and a next `up`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import (
    ConfigurationError,
    EngineError,
    GatewayError,
    ImageError,
    Interrupted,
    LockedError,
)
from orchestrator.stack import naming
from tests.fakes.apps import App
from tests.fakes.faults import Fault, listening, press
from tests.fakes.world import World, open_pair

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack of two services, of which `web` needs `notes`, and a database."""
    return open_pair(tmp_path)


@pytest.fixture
def running(world: World) -> World:
    """Return the same stack, up."""
    return world.begin()


def test_a_gateway_whose_port_is_taken_leaves_nothing_behind(world: World) -> None:
    """The error says so, the container is gone, the lock is free and the next `up` succeeds."""
    world.host.taken_ports.add(8080)
    with pytest.raises(EngineError, match=":8080` is taken by somebody else"):
        world.up()
    assert world.states() == {"db": "running"}

    world.host.taken_ports.clear()
    assert world.up().exit_code == 0


def test_an_nginx_that_does_not_start_is_told_with_its_last_lines(world: World) -> None:
    """The gateway is removed again, so that the next `up` begins anew."""
    world.host.habits.refuses["events {"] = "[emerg] mkdir() failed"
    with pytest.raises(
        GatewayError, match=r"(?s)does not answer at 127.0.0.1:8081: .*mkdir\(\) failed"
    ):
        world.up()

    assert world.states() == {"db": "running"}


def test_an_engine_that_hides_its_host_is_told_as_such(world: World) -> None:
    """NGINX runs and answers, but not to whom it takes for a stranger: nothing is left behind."""
    world.host.habits.keeps_out = True
    with pytest.raises(GatewayError, match=r"refuses its own host at 127\.0\.0\.1:8081"):
        world.up()

    assert world.states() == {"db": "running"}


def test_a_gateway_without_a_config_is_made_anew(running: World) -> None:
    """A stackctl that was killed between creating the gateway and writing its config is healed."""
    gateway = running.host.box("shop-gateway")
    running.take_down()
    running.host.disks.clear()
    running.engine.ensure_network("shop-net", naming.labels("shop", "gateway"))
    running.engine.create(gateway.spec)

    assert running.up().exit_code == 0
    assert running.serving() == {"v1"}


def test_a_gateway_that_could_not_be_recreated_comes_back_with_its_routing(running: World) -> None:
    """A failed recreation is no reason to go back to the first version."""
    running.deploy("v2")
    running.document["gateway"]["resources"] = {"memory": "1g"}
    running.host.taken_ports.add(8080)
    with pytest.raises(EngineError):
        running.up(allow_downtime=True)
    running.host.taken_ports.clear()

    assert running.up().exit_code == 0
    assert running.serving() == {"v2"}


def test_an_up_that_loses_its_lock_starts_nothing_more(world: World) -> None:
    """Somebody else may be at work."""
    lose = Fault("run", on="db", late=True, error=world.host.lose_connections)
    world.engine.fail(lose)
    with pytest.raises(LockedError, match="the lock was lost"):
        world.up()

    assert world.states() == {"db": "running"}


@pytest.mark.parametrize("part", ["db", "gateway"])
def test_a_signal_while_a_part_is_recreated_waits_until_it_is_back(
    running: World, part: str
) -> None:
    """Ctrl-C between stopping the old one and starting the new one leaves nobody without it."""
    running.document["accessories"]["db"]["env"] = {"CACHE": "1"}
    running.document["gateway"]["resources"] = {"memory": "1g"}
    running.engine.fail(Fault("remove", on=part, error=press))
    with listening(), pytest.raises(Interrupted):
        running.up(allow_downtime=True)

    assert running.states()[part] == "running"
    assert running.serving() == {"v1"}


def test_an_accessory_that_does_not_become_ready_stops_the_rest(world: World) -> None:
    """Its name and its last lines are in the error; no service was released."""
    world.host.apps["mongo:8"] = App(port=27017, ready_after=99, prints=("no space left",))
    with pytest.raises(EngineError, match="accessory `db` is not ready after 60 s: no space left"):
        world.up()

    assert not [name for name in world.states() if name.startswith("notes")]


def test_an_accessory_with_a_health_command_is_asked_that_way(world: World) -> None:
    """The engine runs it; a port that listens would not do."""
    world.document["accessories"]["db"]["health"] = {"command": ["ping"]}
    world.host.apps["mongo:8"] = App(port=1, healthy_after=7.0)
    world.up()

    db, notes = (world.host.box(f"shop-{name}").started for name in ("db", "notes-blue-1"))
    assert notes - db >= 7.0


def test_a_service_that_fails_stops_those_that_need_it(world: World) -> None:
    """What was released before it stays."""
    world.host.apps["v1"] = App(crashes=True)
    done = world.up()

    assert [(result.service, result.outcome) for result in done.services] == [("notes", "reverted")]
    assert done.exit_code == 1
    assert sorted(world.states()) == ["db", "gateway"]


def test_images_that_are_missing_are_pulled_first(world: World) -> None:
    """Before anything is started; one that no registry has ends it there."""
    world.document["gateway"]["image"] = "nginx:1.31"
    with pytest.raises(ImageError, match=r"nginx:1\.31"):
        world.up()
    assert world.states() == {}

    world.host.shelf.registry.add("nginx:1.31")
    assert world.up().exit_code == 0


def test_a_secret_that_is_not_set_is_named(world: World) -> None:
    """It comes from the environment or `.env`, never from stack.yaml."""
    world.document["accessories"]["db"]["secrets"] = ["DB_LOGIN"]
    with pytest.raises(ConfigurationError, match="secret `DB_LOGIN` is not set"):
        world.up()

    world.variables["DB_LOGIN"] = "admin"
    world.up()
    assert world.host.box("shop-db").spec.environment == {"DB_LOGIN": "admin"}
