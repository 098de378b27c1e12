"""What is seen of a stack, and what the dashboard makes of it."""

from __future__ import annotations

import json
from dataclasses import replace
from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from rich.console import Console

from orchestrator.dashboard import draw
from orchestrator.engine.values import ContainerSpec
from orchestrator.errors import EngineError
from orchestrator.lifecycle.status import Fares
from orchestrator.release.lock import hold_lock
from orchestrator.release.observe import observe
from orchestrator.release.phases import Phase
from orchestrator.stack import naming
from tests.fakes.apps import App
from tests.fakes.disk import join
from tests.fakes.faults import ALWAYS, Fault
from tests.fakes.world import NOTES, World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.lifecycle.status import Status

MIB = 1024**2


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack with a database that serves v2 from green and keeps v1 in blue."""
    world = World(tmp_path, accessories={"db": {"image": "mongo:8", "port": 27017}})
    world.host.apps["mongo:8"] = App(port=27017)
    world.up()
    world.deploy("v2")
    world.engine.calls.clear()
    return world


def test_the_json_has_the_promised_shape(world: World) -> None:
    """The keys of DESIGN section 2, and values that JSON knows."""
    facts: Any = json.loads(json.dumps(world.status().facts()))

    assert {"stack", "gateway", "lock", "services", "accessories", "drift"} <= facts.keys()
    assert (facts["stack"], facts["lock"], facts["drift"]) == ("shop", None, [])
    assert facts["gateway"]["state"] == "running"
    assert facts["gateway"]["config"] == world.house.admin.serving()
    (notes,) = facts["services"]
    assert notes.items() >= {"name": "notes", "candidate": None, "step": "settled"}.items()
    active, previous = notes["active"], notes["previous"]
    assert active.items() >= {"version": "v2", "color": "green", "healthy": 2, "wanted": 2}.items()
    assert previous.items() >= {"version": "v1", "color": "blue", "healthy": 0}.items()
    assert (notes["share"], notes["url"]) == (0, "")
    assert facts["accessories"][0]["name"] == "db"
    assert facts["accessories"][0]["state"] == "running"


def test_nothing_is_changed_by_looking(world: World) -> None:
    """Not even the lock is taken."""
    world.changes()
    world.status()

    assert world.changes() == []


def calls_of_a_status(world: World, replicas: int) -> int:
    """Return how many calls of the engine a look takes at so many replicas."""
    world.notes["replicas"] = replicas
    world.up()
    world.engine.calls.clear()
    status = world.status()

    assert status.services[0].active is not None
    assert status.services[0].active.healthy == replicas
    return len(world.engine.calls)


def test_thirty_replicas_take_no_more_calls_than_one(world: World) -> None:
    """A look at a big stack is as quick as one at a small one."""
    assert calls_of_a_status(world, 1) == calls_of_a_status(world, 30) <= 4


def test_a_replica_that_does_not_answer_is_not_healthy(world: World) -> None:
    """Each running replica is asked, the way the gate asks."""
    world.host.box("shop-notes-green-2").app = App(healthy_after=1e9)

    active = world.status().services[0].active
    assert active is not None
    assert (active.healthy, active.wanted) == (1, 2)


def look_during(world: World, phase: Phase) -> Status:
    """Return the status in the middle of a release of v3."""
    seen: list[Status] = []
    world.on_begin(phase, lambda: seen.append(world.status()))
    world.deploy("v3")
    return seen[0]


@pytest.mark.parametrize("phase", [Phase.GATE, Phase.PREVIEW, Phase.PROMOTE])
def test_a_release_under_way_shows_its_candidate(world: World, phase: Phase) -> None:
    """And who is releasing it."""
    status = look_during(world, phase)

    service = status.services[0]
    assert service.active is not None
    assert service.candidate is not None
    assert (service.active.version, service.candidate.version) == ("v2", "v3")
    assert service.previous is None
    assert status.lock is not None
    assert status.lock["command"] == "deploy notes v3"
    assert (service.step, service.share) == ("staged", 0)


def test_what_was_replaced_is_the_previous_version_at_once(world: World) -> None:
    """While it is drained it is no candidate, although it runs and the lock is held."""
    service = look_during(world, Phase.DRAIN).services[0]

    assert service.active is not None
    assert service.previous is not None
    assert (service.active.version, service.previous.version) == ("v3", "v2")
    assert service.candidate is None
    assert service.step == "promoted"


def test_a_warm_previous_version_is_no_candidate_while_others_work(world: World) -> None:
    """That somebody holds the lock does not make a kept version a new one."""
    world.notes["keep"] = "running"
    world.deploy("v3")
    with hold_lock(world.house, "prune"):
        service = world.status().services[0]

    assert service.candidate is None
    assert service.previous is not None
    assert service.previous.version == "v2"


def test_a_stack_of_which_nothing_runs_has_a_status(tmp_path: Path) -> None:
    """Everything is absent, and the drift says what to expect."""
    status = World(tmp_path, accessories={"db": {"image": "mongo:8", "port": 27017}}).status()

    assert (status.gateway.state, status.gateway.config) == ("absent", None)
    assert status.services[0].active is None
    assert status.accessories[0].state == "absent"
    assert status.drift == ("the gateway does not exist",)


def test_a_gateway_that_is_down_has_a_status(world: World) -> None:
    """What it will serve when it comes back is read from its volume."""
    world.engine.stop("shop-gateway", 0)
    status = world.status()

    assert status.gateway.state == "exited"
    assert status.services[0].active is not None
    assert (status.services[0].active.version, status.services[0].active.healthy) == ("v2", 0)


def edit_gateway(world: World) -> None:
    """Change what the gateway's container is made from."""
    world.document["gateway"]["resources"] = {"memory": "1g"}


def edit_config(world: World) -> None:
    """Change what NGINX is told."""
    world.document["gateway"]["gzip"] = False


def edit_database(world: World) -> None:
    """Change what the database is made from."""
    world.document["accessories"]["db"]["env"] = {"A": "1"}


def add_service(world: World) -> None:
    """Add a service that was not released yet."""
    world.document["services"]["web"] = dict(NOTES)


def rename_service(world: World) -> None:
    """Take a service out of stack.yaml that runs."""
    world.document["services"] = {"web": dict(NOTES)}


def stop_replica(world: World) -> None:
    """Stop one of two replicas."""
    world.engine.stop("shop-notes-green-1", 0)


def remove_database(world: World) -> None:
    """Remove the database by hand."""
    world.engine.remove("shop-db")


def add_stranger(world: World) -> None:
    """Run a container with our label that is none of ours."""
    labels = naming.labels("shop", "service")
    world.engine.run(ContainerSpec("stray", "nginx:1.30", labels, None))


def edit_environment(world: World) -> None:
    """Change what the replicas are made from."""
    world.notes["env"] = {"DEBUG": "1"}


def edit_port(world: World) -> None:
    """Change where the replicas listen."""
    world.notes["port"] = 9000


def move_address(world: World) -> None:
    """Connect a replica anew by hand, as an engine does without a fixed address."""
    world.engine.disconnect("shop-notes-green-1", "shop-net")
    world.engine.connect("shop-notes-green-1", "shop-net")


def break_off_a_reload(world: World) -> None:
    """Move the config link and end before NGINX is told, as a stackctl does that is killed."""
    world.document["gateway"]["gzip"] = False

    def end() -> Exception:
        world.engine.fail(Fault(times=ALWAYS))
        return EngineError("killed")

    world.engine.fail(Fault("signal", error=end))
    world.deploy("v3")
    world.engine.faults.clear()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (edit_gateway, "the gateway runs with other settings than stack.yaml has"),
        (edit_config, "the NGINX config is not the one that stack.yaml renders to"),
        (edit_database, "accessory `db` runs with other settings than stack.yaml has"),
        (add_service, "service `web` has not been released"),
        (rename_service, "service `notes` has containers, but stack.yaml does not have it"),
        (stop_replica, "service `notes` runs 1 of 2 replicas"),
        (remove_database, "accessory `db` does not exist"),
        (add_stranger, "container `stray` carries this stack's label, but is none of ours"),
        (edit_environment, "service `notes` runs with other settings than stack.yaml has"),
        (edit_port, "service `notes` runs with other settings than stack.yaml has"),
        (move_address, "`shop-notes-green-1` is at 10.10.0.195, and not at 10.10.0.3"),
        (break_off_a_reload, "NGINX serves another config than the one it would start with"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_drift_is_told_in_a_line(world: World, change: Callable[[World], None], line: str) -> None:
    """Whatever differs between the wish, the containers and NGINX's own config."""
    change(world)

    assert line in world.status().drift


def test_a_snapshot_sorts_replicas_by_color_and_number(world: World) -> None:
    """Ten comes after nine, not after one."""
    world.notes["replicas"] = 11
    world.up()
    snapshot = observe(world.house)

    assert [replica.number for replica in snapshot.of("notes", "blue")] == list(range(1, 12))
    assert snapshot.of("web", "blue") == ()


def test_a_snapshot_tells_what_serves_from_what_would_be_started(world: World) -> None:
    """After a stackctl that was killed between the link and the reload, NGINX's word counts."""
    break_off_a_reload(world)
    snapshot = observe(world.house)

    assert snapshot.version("notes") == "v2"
    assert snapshot.config is not None
    assert snapshot.config.id != snapshot.current
    assert world.host.nginx is not None
    assert snapshot.config.text == world.host.nginx.text


def test_the_next_release_repairs_what_a_broken_off_one_left(world: World) -> None:
    """What NGINX serves and what it would start with are the same again."""
    break_off_a_reload(world)

    assert world.deploy("v4").outcome == "deployed"
    snapshot = observe(world.house)
    assert snapshot.config is not None
    assert snapshot.config.id == snapshot.current
    assert world.status().drift == ()
    assert world.host.cut == []


@pytest.mark.parametrize("label", [naming.COLOR, naming.REPLICA])
def test_a_container_whose_labels_make_no_sense_is_a_stranger(world: World, label: str) -> None:
    """It is shown, and never counted as a replica."""
    box = world.host.box("shop-notes-blue-1")
    box.spec = replace(box.spec, labels={**box.spec.labels, label: "?"})
    snapshot = observe(world.house)

    assert [stranger.name for stranger in snapshot.strangers] == ["shop-notes-blue-1"]
    assert len(snapshot.of("notes", "blue")) == 1


def test_a_config_of_somebody_else_is_no_routing(world: World) -> None:
    """An NGINX config without our mark names no release."""
    world.engine.stop("shop-gateway", 0)
    disk, folder = world.host.box("shop-gateway").find("/etc/stackctl")
    disk.link(join(folder, "current"), "nowhere")
    snapshot = observe(world.house)

    assert (snapshot.config, snapshot.current) == (None, "")


def test_a_secret_under_another_name_is_no_drift(tmp_path: Path) -> None:
    """As long as its value is the one that the accessory was made with, and there is one."""
    database = {"image": "mongo:8", "port": 8000, "secrets": ["WORD:DB_WORD"]}
    world = World(tmp_path, accessories={"db": database})
    world.variables["DB_WORD"] = "one"
    world.up()
    assert world.status().drift == ()
    (made,) = (b.spec for b in world.host.boxes.values() if b.spec.name == "shop-db")
    assert made.environment == {"WORD": "one"}

    world.variables["DB_WORD"] = "another"
    assert world.status().drift == ("accessory `db` runs with other settings than stack.yaml has",)
    del world.variables["DB_WORD"]
    assert world.status().drift == ("accessories.db: secret `DB_WORD` is not set",)


def test_a_status_says_how_containers_fare(world: World) -> None:
    """Memory of its limit and restarts of all replicas together, and how long ago it was released."""
    box = world.host.box("shop-notes-green-2")
    box.restarts, box.app = 3, App(out_of_memory=True)
    world.clock.sleep(7300)
    active = world.status().services[0].active
    assert active is not None
    assert active.fares == Fares(3, out_of_memory=True, memory=256 * MIB, limit=1024 * MIB)
    assert 7300 <= (active.age or 0) < 7400
    told = draw_lines(world.status(), 100)
    (notes,) = (line for line in told if line.startswith("notes"))
    assert notes.split() == (
        [
            "notes",
            "v2",
            "(green)",
            "2",
            "h",
            "2/2",
            "256",
            "of",
            "1,024",
            "MiB",
            "3,",
            "out",
            "of",
            "memory",
            "v1",
            "(blue)",
        ]
    )


def test_all_columns_meet(world: World) -> None:
    """Services, databases and the gateway stand in one table, at a usual width."""
    lines = draw_lines(world.status(), 80)
    head, *rows = [line for line in lines if line.startswith(("part", "notes", "db", "gateway "))]

    assert len(rows) == 3
    for word, cells in (("memory", "1 1 1"), ("restarts", "0 0 0")):
        at = head.index(word)
        assert [row[at - 1] for row in rows] == [" "] * len(rows)
        assert [row[at] != " " for row in rows] == [True] * len(cells.split())


@pytest.mark.parametrize(
    ("state", "health", "told"),
    [
        ("running", "healthy", "healthy"),
        ("running", "starting", "starting"),
        ("running", "", "running"),
        ("exited", "unhealthy", "exited"),
    ],
)
def test_of_an_accessory_one_word_is_told(world: World, state: str, health: str, told: str) -> None:
    """With more, the table of a usual stack had no room on a usual terminal."""
    status = world.status()
    (found,) = status.accessories
    made = replace(status, accessories=(replace(found, state=state, health=health),))
    (row,) = [line.split() for line in draw_lines(made, 80) if line.startswith("db")]
    assert row[3] == told


def test_nobody_is_ill_whom_nobody_can_ask(world: World) -> None:
    """While the gateway is down it is said what that means, and health is not known."""
    world.engine.stop("shop-gateway", 0)
    lines = draw_lines(world.status(), 80)

    assert "so nobody is served: `stackctl up`" in lines[0]
    assert any("? of 2" in line for line in lines)
    assert not any("0/2" in line for line in lines)


def test_the_engine_and_the_addresses_are_named(world: World) -> None:
    """So that nobody takes one stack for another."""
    world.notes["routes"] = [{"path": "/notes/"}]
    lines = draw_lines(world.status(), 80)

    assert "engine: box at unix:///fake.sock, Docker 29.1.2" in lines
    assert "notes  http://127.0.0.1:8080/notes/" in lines


def draw_lines(status: Status, columns: int) -> list[str]:
    """Return the dashboard as a terminal shows it."""
    out = StringIO()
    Console(file=out, width=columns).print(draw(status))
    return out.getvalue().splitlines()


@pytest.mark.parametrize("columns", [20, 40, 80])
def test_a_version_is_seen_however_narrow_the_terminal_is(world: World, columns: int) -> None:
    """Where the table does not fit, each cell has a line of its own."""
    out = StringIO()
    Console(file=out, width=columns).print(draw(world.status()))
    lines = out.getvalue().splitlines()

    assert max(map(len, lines)) <= columns
    assert any("v1" in line for line in lines)
    assert any("2/2" in line for line in lines)
