"""`up`: it brings up what is missing and touches nothing that is right."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.engine.values import ContainerSpec
from orchestrator.errors import GatewayError
from orchestrator.events import Event, PhaseBegan, Recovered, Started
from tests.fakes.faults import Fault
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


def test_a_first_up_starts_everything(world: World) -> None:
    """Network, volumes, database, gateway and the first release of every service."""
    done = world.up()

    assert (done.gateway, done.accessories, done.exit_code) == ("started", {"db": "started"}, 0)
    assert [result.outcome for result in done.services] == ["deployed", "deployed"]
    assert set(world.states().values()) == {"running"}
    assert set(world.host.networks) == {"shop-net"}
    assert set(world.host.disks) == {"shop-data", "shop-gateway", "shop-gateway-scratch"}
    assert (world.serving("notes"), world.serving("web")) == ({"v1"}, {"v1"})


def test_services_come_after_what_they_need(world: World) -> None:
    """The database is ready before the first release, and `notes` is there before `web`."""
    world.up()

    started = [event.service for event in world.events if isinstance(event, Started)]
    assert started == ["notes", "web"]
    db, notes = (world.host.box(f"shop-{name}").started for name in ("db", "notes-blue-1"))
    assert notes - db >= 3.0


def test_a_second_up_changes_nothing(running: World) -> None:
    """Not one change on the engine, and no release in the history."""
    done = running.up()

    assert (done.gateway, done.accessories) == ("unchanged", {"db": "unchanged"})
    assert [result.outcome for result in done.services] == ["unchanged", "unchanged"]
    assert (done.warnings, done.exit_code) == ((), 0)
    assert running.changes() == []
    assert len(list((running.folder / "reports" / "releases").iterdir())) == 2


def test_an_up_after_deploys_keeps_what_serves(running: World) -> None:
    """stack.yaml says with which version a service begins, not to which it goes back."""
    running.deploy("v2")
    running.changes()

    assert running.up().exit_code == 0
    assert running.serving() == {"v2"}
    assert running.changes() == []


def test_a_replica_that_stopped_is_healed_by_a_release_of_the_same_version(running: World) -> None:
    """Users are moved to a whole set of replicas; nothing is built for that."""
    running.host.end("stop", running.host.box("shop-notes-blue-2"))
    running.host.cut.clear()
    running.changes()
    done = running.up()

    notes = next(result for result in done.services if result.service == "notes")
    assert (notes.outcome, notes.version, notes.color) == ("deployed", "v1", "green")
    assert running.serving() == {"v1"}
    assert "build" not in {what for what, _ in running.changes()}
    assert running.host.cut == []


def test_what_one_release_leaves_over_is_put_right_before_the_next(running: World) -> None:
    """Or the next one's config would hide it: what users had before would count as never used."""
    for service in running.document["services"].values():
        service["env"] = {"NEW": "1"}

    def spoil(event: Event) -> None:
        if isinstance(event, PhaseBegan) and event.phase == "retire":
            running.hooks.clear()
            running.engine.fail(Fault("unpersist"))

    running.hooks.append(spoil)
    done = running.up()

    assert [result.outcome for result in done.services] == ["deployed", "deployed"]
    assert done.services[0].error is not None
    assert running.status().recovery == ()
    states = running.states()
    assert {states[f"notes-blue-{number}"] for number in (1, 2)} == {"exited"}
    assert running.rollback().version == "v1"
    assert running.host.cut == []


@pytest.mark.parametrize("part", ["db", "gateway"])
def test_a_part_that_stopped_is_started_again(running: World, part: str) -> None:
    """The same container, with its data and its config."""
    before = running.host.box(f"shop-{part}").id
    running.engine.stop(before, 0)
    running.changes()
    done = running.up()

    assert {"db": done.accessories["db"], "gateway": done.gateway}[part] == "started"
    assert running.host.box(f"shop-{part}").id == before
    assert running.changes() == [("start", part)]
    assert running.serving() == {"v1"}


def test_another_setting_of_an_accessory_is_only_a_warning(running: World) -> None:
    """A database is not recreated because somebody edited a file."""
    running.document["accessories"]["db"]["env"] = {"CACHE": "1"}
    done = running.up()

    assert done.accessories == {"db": "unchanged"}
    assert done.warnings == (
        (
            "`shop-db` runs with other settings than stack.yaml has;"
            " `stackctl up --allow-downtime` recreates it"
        ),
    )
    assert running.changes() == []


def test_with_allow_downtime_an_accessory_is_recreated_on_its_data(running: World) -> None:
    """The container is another one, the volume is the same."""
    disk = running.host.disks["shop-data"][0]
    running.document["accessories"]["db"]["env"] = {"CACHE": "1"}
    done = running.up(allow_downtime=True)

    assert (done.accessories, done.warnings) == ({"db": "recreated"}, ())
    db = running.host.box("shop-db")
    assert db.spec.environment == {"CACHE": "1"}
    assert disk in db.disks.values()


def test_another_setting_of_nginx_is_reloaded_and_nobody_notices(running: World) -> None:
    """The config that serves is the one that stack.yaml renders to; no container was touched."""
    running.document["gateway"]["keepalive"] = "30s"
    done = running.up()

    nginx = running.host.nginx
    assert done.gateway == "reconfigured"
    assert nginx is not None
    assert "keepalive_timeout 40000ms 30s;" in nginx.text
    assert not {"create", "start", "stop", "remove"} & {what for what, _ in running.changes()}
    assert running.up().gateway == "unchanged"


def test_another_setting_of_the_gateways_container_is_only_a_warning(running: World) -> None:
    """Recreating the only public door is never done unasked."""
    running.document["gateway"]["resources"] = {"memory": "1g"}
    done = running.up()

    assert done.gateway == "unchanged"
    assert [warning.startswith("`shop-gateway` runs with other") for warning in done.warnings]
    assert running.changes() == []


def test_nginx_takes_on_what_its_container_can_hold(running: World) -> None:
    """More memory in stack.yaml is no promise of the container, until it has it."""
    running.document["gateway"]["resources"] = {"memory": "1g", "cpus": 2}
    running.document["gateway"]["keepalive"] = "30s"
    nginx = running.host.nginx
    assert nginx is not None
    before = "worker_connections 2184;"
    assert before in nginx.text
    assert running.up().gateway == "reconfigured"
    assert before in nginx.text
    assert running.status().drift == ("the gateway runs with other settings than stack.yaml has",)
    assert running.up(allow_downtime=True).gateway == "recreated"
    nginx = running.host.nginx
    assert nginx is not None
    assert {"worker_processes 2;", "    worker_connections 2184;"} <= {*nginx.text.splitlines()}
    assert running.up().gateway == "unchanged"


def test_a_recreated_gateway_serves_what_it_served(running: World) -> None:
    """The routing comes along: users get the version that was deployed last."""
    running.deploy("v2")
    running.document["gateway"]["resources"] = {"memory": "1g"}
    done = running.up(allow_downtime=True)

    assert done.gateway == "recreated"
    assert running.serving() == {"v2"}
    assert running.host.box("shop-gateway").spec.memory == 1024**3


def test_a_config_that_nginx_refuses_changes_nothing(running: World) -> None:
    """The error has NGINX's words; the old config goes on."""
    running.document["gateway"]["keepalive"] = "30s"
    running.host.habits.refuses[" 30s;"] = "[emerg] host not found"
    with pytest.raises(GatewayError, match="host not found"):
        running.up()

    assert running.serving() == {"v1"}
    assert ("signal", "gateway") not in running.changes()


def test_a_config_that_nginx_does_not_take_up_is_taken_back(running: World) -> None:
    """What a restarted NGINX would find is what serves."""
    running.document["gateway"]["keepalive"] = "30s"
    running.host.habits.ignores_reloads = 1
    with pytest.raises(GatewayError, match="after the reload"):
        running.up()

    config = running.engine.read("shop-gateway", "/etc/stackctl/current/nginx.conf")
    assert running.host.nginx is not None
    assert config == running.host.nginx.text


def test_a_replica_taken_out_of_the_network_is_taken_in_again(running: World) -> None:
    """At its own address, which nobody else has got meanwhile; no release is needed for that."""
    before = running.host.box("shop-notes-blue-2").addresses["shop-net"]
    running.engine.disconnect("shop-notes-blue-2", "shop-net")
    status = running.status()
    assert status.services[1].active is not None
    assert (status.services[1].active.healthy, status.drift) == (
        1,
        ("`shop-notes-blue-2` runs, and is not in the network `shop-net`",),
    )
    done = running.up()

    told = f"{status.drift[0]}: it is connected again at {before}"
    assert (done.mended, [result.outcome for result in done.services]) == (
        (told,),
        ["unchanged", "unchanged"],
    )
    assert Recovered(told) in running.events
    assert running.host.box("shop-notes-blue-2").addresses["shop-net"] == before
    assert running.status().drift == ()


def test_a_replica_at_another_address_is_brought_to_its_own(running: World) -> None:
    """As where somebody has connected it again by hand."""
    before = running.host.box("shop-notes-blue-2").addresses["shop-net"]
    running.engine.disconnect("shop-notes-blue-2", "shop-net")
    running.engine.connect("shop-notes-blue-2", "shop-net")
    done = running.up()

    assert [text.endswith(f"it is connected again at {before}") for text in done.mended] == [True]
    assert running.host.box("shop-notes-blue-2").addresses["shop-net"] == before


def test_a_replica_whose_address_is_taken_is_made_anew_at_another(running: World) -> None:
    """Its users are moved to a whole set of replicas; whoever has its address keeps that."""
    address = running.host.box("shop-notes-blue-2").addresses["shop-net"]
    running.engine.disconnect("shop-notes-blue-2", "shop-net")
    running.engine.run(ContainerSpec("intruder", "nginx:1.30", {}, "shop-net", address=address))
    done = running.up()

    notes = next(result for result in done.services if result.service == "notes")
    assert (notes.outcome, notes.version, notes.color) == ("deployed", "v1", "green")
    assert done.mended == ("`shop-notes-blue-2` ran, and was not reached: `notes` was made anew",)
    assert running.serving() == {"v1"}
    assert running.host.cut == []


def test_a_replica_that_takes_no_connections_any_more_is_made_anew(running: World) -> None:
    """The engine takes it for well: its process runs, and its address is the right one."""
    box = running.host.box("shop-notes-blue-2")
    box.app = replace(box.app, listens="127.0.0.1")
    done = running.up()

    notes = next(result for result in done.services if result.service == "notes")
    assert (notes.outcome, notes.color) == ("deployed", "green")
    assert done.mended == ("`shop-notes-blue-2` ran, and was not reached: `notes` was made anew",)
    active = running.status().services[1].active
    assert active is not None
    assert (active.version, active.color, active.healthy, active.wanted) == ("v1", "green", 2, 2)
    assert running.host.cut == []


def test_a_replica_that_is_still_starting_is_waited_for(running: World) -> None:
    """As after a reboot: nothing is made anew that comes by itself."""
    box = running.host.box("shop-notes-blue-2")
    box.app, box.started = replace(box.app, ready_after=4.0), running.clock.monotonic()
    done = running.up()

    assert (done.mended, running.changes()) == ((), [])


def test_a_database_taken_out_of_the_network_is_taken_in_again(running: World) -> None:
    """Its data and its process stay."""
    running.engine.disconnect("shop-db", "shop-net")
    done = running.up()

    told = "`shop-db` was not in the network `shop-net`: it is now"
    assert (done.accessories, done.mended) == ({"db": "unchanged"}, (told,))
    assert "shop-net" in running.host.box("shop-db").addresses


def test_no_witness_is_called_where_no_replica_is_reached(running: World) -> None:
    """Nobody is served before: that is what the release mends, and not what it has lost."""
    running.document["services"]["notes"]["routes"] = [{"path": "/notes/"}]
    running.up()
    for number in (1, 2):
        box = running.host.box(f"shop-notes-blue-{number}")
        box.app = replace(box.app, listens="127.0.0.1")
    done = running.up()

    notes = next(result for result in done.services if result.service == "notes")
    assert (notes.outcome, notes.witness.sent, notes.exit_code) == ("deployed", 0, 0)
    assert len(done.mended) == 2


def test_a_stack_comes_up_again_in_another_subnet(running: World) -> None:
    """As where another network has got the one of before while the stack was down."""
    running.deploy("v2")
    before = running.host.networks["shop-net"].subnet
    running.take_down()
    done = running.up()

    assert running.host.networks["shop-net"].subnet != before
    assert [result.outcome for result in done.services] == ["deployed", "deployed"]
    assert (running.serving(), running.serving("web")) == ({"v1"}, {"v1"})
    running.deploy("v2")
    running.rollback()
    assert (running.serving(), running.status().drift) == ({"v1"}, ())


def test_replicas_whose_network_was_made_anew_are_brought_into_it(running: World) -> None:
    """In another subnet, they get other addresses; what was kept is made anew by a rollback."""
    running.deploy("v2")
    for name in ("gateway", "db", "web-blue-1", "notes-green-1", "notes-green-2"):
        running.engine.disconnect(f"shop-{name}", "shop-net")
    running.engine.remove_network("shop-net")
    done = running.up()

    assert done.exit_code == 0
    assert running.serving() == {"v2"}
    assert running.status().drift == ()
    assert running.rollback().version == "v1"
    assert running.serving() == {"v1"}
