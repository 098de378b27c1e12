"""The keys by which stack.yaml says how a container is made: each reaches it, and a change is seen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.engine.outfit import Memory, PackedFile, Ulimit
from orchestrator.engine.values import Volume
from orchestrator.lifecycle.forecast import forecast
from orchestrator.release.provision import NOTHING
from orchestrator.release.specs import accessory_spec
from tests.fakes.apps import App
from tests.fakes.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.engine.values import ContainerSpec

MIB = 1024**2
FILE = PackedFile("/etc/own.conf", 0o444, b"a: 1\n")
OWN_OF_MIGRATION = ("entrypoint", "command")
OTHER = "runs with other settings than stack.yaml has"
KEYS: list[
    tuple[str, object, dict[str, Any]]
] = [  # of services and accessories: the key, a value, and what it is on the container
    ("command", ["serve", "--all"], {"command": ("serve", "--all")}),
    ("entrypoint", ["run-it"], {"entrypoint": ("run-it",)}),
    ("user", "1000", {"user": "1000"}),
    ("user", "root", {"user": "0", "capabilities": True}),
    ("env_file", ["own.env"], {"environment": {"WORD": "of the file"}}),
    ("secrets", ["MAYBE?", "KEY:SET?"], {"environment": {"KEY": "of a variable"}}),
    ("files", [{"from": "own.conf", "to": "/etc/own.conf"}], {"files": (FILE,)}),
    (
        "tmpfs",
        ["/run", "/cache:1m"],
        {"memory_folders": (Memory("/run", 64 * MIB), Memory("/cache", MIB))},
    ),
    ("shm_size", "128m", {"shared_memory": 128 * MIB}),
    (
        "ulimits",
        {"nofile": 1024, "core": {"soft": 0, "hard": -1}},
        {"ulimits": (Ulimit("core", 0, -1), Ulimit("nofile", 1024, 1024))},
    ),
    (
        "extra_hosts",
        {"host.docker.internal": "host-gateway"},
        {"hosts": (("host.docker.internal", "host-gateway"),)},
    ),
    ("stop_grace", "27s", {"stop_grace": 27.0}),
    ("stop_signal", "SIGQUIT", {"stop_signal": "QUIT"}),
    ("networks", ["proxy"], {"networks": ("proxy",)}),
    (
        "volumes",
        ["data:/data:ro", "media:/media"],
        {"volumes": (Volume("shop-data", "/data", read_only=True), Volume("shop-media", "/media"))},
    ),
]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack of a service and a database, up."""
    world = World(tmp_path, accessories={"db": {"image": "mongo:8", "port": 27017}})
    world.host.apps["mongo:8"] = App(port=27017)
    world.host.make_network("proxy", {}, internal=False, subnet=None)
    world.variables["SET"] = "of a variable"
    (tmp_path / "own.env").write_text("WORD='of the file'\n")
    (tmp_path / "own.conf").write_text("a: 1\n")
    return world.begin()


def spec_of(world: World, container: str) -> ContainerSpec:
    """Return what a container of the stack was made from."""
    return world.host.box(f"shop-{container}").spec


def facts_of(spec: ContainerSpec, wanted: dict[str, Any]) -> dict[str, Any]:
    """Return of a container what a key is about."""
    return {name: getattr(spec, name) for name in wanted}


@pytest.mark.parametrize(("key", "value", "wanted"), KEYS)
def test_a_change_of_a_service_is_a_release(
    world: World, key: str, value: object, wanted: dict[str, Any]
) -> None:
    """`status` and `plan` see it; the same version is then released with it, and is unchanged."""
    world.notes[key] = value
    assert world.status().drift == (f"service `notes` {OTHER}",)
    assert not forecast(world.house, "notes", None).services[0].unchanged
    assert world.deploy("v1").outcome == "deployed"

    assert facts_of(spec_of(world, "notes-green-2"), wanted) == wanted
    assert world.status().drift == ()
    assert world.deploy("v1").outcome == "unchanged"


@pytest.mark.parametrize(("key", "value", "wanted"), KEYS)
def test_a_change_of_an_accessory_is_drift(
    world: World, key: str, value: object, wanted: dict[str, Any]
) -> None:
    """Until it is made anew, which is downtime."""
    world.document["accessories"]["db"][key] = value
    assert world.status().drift == (f"accessory `db` {OTHER}",)
    assert any("`shop-db`" in text for text in world.up().warnings)
    world.up(allow_downtime=True)

    assert facts_of(spec_of(world, "db"), wanted) == wanted
    assert world.status().drift == ()


def test_a_service_has_an_init_unless_it_says_otherwise(world: World) -> None:
    """Of the engine, as the first process: on by default, and off by the key."""
    assert spec_of(world, "notes-blue-1").init
    world.notes["init"] = False
    assert world.deploy("v2").outcome == "deployed"
    assert not spec_of(world, "notes-green-1").init


def test_an_accessory_has_an_init_if_it_says_so(world: World) -> None:
    """Off by default: a database handles its signals itself."""
    assert not spec_of(world, "db").init
    world.document["accessories"]["db"]["init"] = True
    assert world.status().drift == (f"accessory `db` {OTHER}",)
    world.up(allow_downtime=True)
    assert spec_of(world, "db").init


def test_a_migration_runs_its_own_command(world: World) -> None:
    """And not the service's, whatever that has; all else is as the service has it."""
    keys = {key: (value, wanted) for key, value, wanted in KEYS}  # the last of each
    del keys["secrets"]
    world.notes.update({key: value for key, (value, _) in keys.items()})
    world.host.apps["migrate"] = App(ends=1)
    specs: list[ContainerSpec] = []
    world.hooks.append(lambda _: specs.extend(box.spec for box in world.host.boxes.values()))
    world.deploy("v2")

    spec = next(spec for spec in specs if spec.name == "shop-notes-migration")
    assert (spec.entrypoint, spec.command) == (("migrate",), ())
    for _, wanted in keys.values():
        rest = {name: told for name, told in wanted.items() if name not in OWN_OF_MIGRATION}
        assert facts_of(spec, rest) == rest


def test_who_uses_none_of_them_is_left_alone(world: World) -> None:
    """The hash that tells containers apart is the one of before these keys: nothing is made anew."""
    spec = accessory_spec(world.house.stack, "db", NOTHING)
    assert spec.fingerprint == "d73c50236f27eb64"
