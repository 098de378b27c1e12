"""What a container gets from outside of stack.yaml: values that nobody is told, and files."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING

import pytest

from orchestrator.engine.values import Volume
from orchestrator.errors import ConfigurationError, EngineError
from orchestrator.events import Warned
from orchestrator.lifecycle.forecast import forecast
from orchestrator.lifecycle.single_run import plan_run
from orchestrator.release.externals import require_externals
from orchestrator.release.provision import LARGEST, MOST
from orchestrator.stack import naming
from orchestrator.stack.load import load_stack, load_variables
from orchestrator.stack.withheld import find_withheld
from orchestrator.wording import describe_forecast
from tests.fakes.apps import App
from tests.fakes.clock import FakeClock
from tests.fakes.faults import Call
from tests.fakes.stacks import shop_with
from tests.fakes.world import World, open_pair

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.release.result import Result
    from tests.fakes.host import FakeHost

WORD = "not-to-be-seen"
PLACE = "services.notes"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack that serves v1."""
    return World(tmp_path).begin()


class Flapping(FakeClock):
    """A clock at whose every third tick the worker ends; the engine starts it again until the next."""

    def __init__(self, host: FakeHost) -> None:
        super().__init__()
        self.host = host

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        super().sleep(seconds)
        box = self.host.find("shop-worker")
        if box is not None:
            box.state = "running" if len(self.slept) % 3 else "restarting"


def environment(world: World, container: str = "notes-green-1") -> dict[str, str]:
    """Return the variables of a container."""
    return dict(world.host.box(f"shop-{container}").spec.environment)


def reason(world: World) -> str:
    """Return why a release of v2 was refused; nothing was started for it."""
    result = world.deploy("v2")
    assert result.error is not None
    assert result.outcome == "reverted"
    assert world.serving() == {"v1"}
    assert "shop-notes-green-1" not in {box.spec.name for box in world.host.boxes.values()}
    return f"{result.error.message}\n{result.error.hint}"


def everything_said(world: World, result: Result) -> str:
    """Return all that a release and a look at the stack leave for people to read."""
    files = [file for file in (world.folder / "reports").rglob("*") if file.is_file()]
    labels = [box.spec.labels for box in world.host.boxes.values()]
    told = (
        describe_forecast(forecast(world.house, None, None)),
        json.dumps(world.status().facts()),
        json.dumps(result.facts()),
        repr(world.events),
        repr(labels),
        *(file.read_text() for file in files),
    )
    return "\n".join(told)


def test_later_files_win_and_env_wins_over_them(world: World) -> None:
    """`secrets`, which are asked for by name, win over all; references see `.env` and lines above."""
    (world.folder / "one.env").write_text("A=one\nB=one\nC=one\nD=one\n")
    (world.folder / "two.env").write_text("B=two\nC=two\nD=two\nE=${B}-${HOST:-none}\n")
    world.variables.update(C="variable", HOST="db", STACKCTL_EVIDENCE_KEY=WORD)
    world.notes.update(
        env_file=["one.env", "two.env"], env={"D": "written"}, secrets=["C", "ABSENT?"]
    )
    world.deploy("v2")

    wanted = {"A": "one", "B": "two", "C": "variable", "D": "written", "E": "two-db"}
    assert environment(world) == wanted


def test_nothing_of_a_file_is_told(world: World) -> None:
    """No plan, drift, event, label or evidence has a value of it; a change of one is a release."""
    (world.folder / "a.env").write_text(f"PASSWORD={WORD}\n")
    world.notes["env_file"] = ["a.env"]
    world.deploy("v2")
    (world.folder / "a.env").write_text(f"PASSWORD={WORD}-two\n")
    assert world.status().drift == ("service `notes` runs with other settings than stack.yaml has",)
    assert WORD not in everything_said(world, world.deploy("v2"))
    assert environment(world, "notes-blue-1")["PASSWORD"] == f"{WORD}-two"


def test_a_file_hands_on_nothing_of_stackctls_own(world: World) -> None:
    """Neither by its own name, as `.env` may have it, nor under another."""
    (world.folder / ".env").write_text(
        "STACKCTL_EVIDENCE_KEY=key\nTAKEN=${STACKCTL_EVIDENCE_KEY:-nothing}\n"
    )
    world.notes["env_file"] = [".env"]
    world.variables["STACKCTL_EVIDENCE_KEY"] = WORD
    world.deploy("v2")

    assert environment(world) == {"TAKEN": "key"}  # what the file has in clear is the file's


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (None, "cannot be read: No such file or directory"),
        (f"A='{WORD}", "line 1: a quote is not closed"),
        (f"# a\nA=${WORD.upper()}", "line 2: "),
        (f"A={WORD}\n=={WORD}", "line 2: expected `NAME=value`"),
    ],
)
def test_a_bad_file_is_one_line_without_a_value(world: World, text: str | None, told: str) -> None:
    """It is named by its place: its path may hold a variable's value as well."""
    if text is not None:
        (world.folder / "a.env").write_text(text)
    (world.folder / "good.env").write_text("A=b\n")
    world.notes["env_file"] = ["good.env", "a.env"]
    said = reason(world)

    assert f"{PLACE}.env_file.1 {told}" in said
    assert WORD not in said


def test_values_of_a_file_are_withheld_from_what_an_engine_says(tmp_path: Path) -> None:
    """Also where another file is missing: that is told where it is needed."""
    (tmp_path / "a.env").write_text(f"PASSWORD={WORD}\n")
    document = shop_with("services.web.env_file", ["a.env"])
    document = shop_with("accessories.db.env_file", ["missing.env"], document)
    file = tmp_path / "stack.yaml"
    file.write_text(json.dumps(document))
    stack = load_stack(file, {})

    assert ("PASSWORD", WORD) in find_withheld(file, stack, load_variables(file, {}))


def test_a_secret_that_may_be_unset_is_left_out(world: World) -> None:
    """One that must be set is still asked for, and the hint knows of `?`."""
    world.notes["secrets"] = ["KEY?", "app:OTHER?"]
    world.variables["OTHER"] = "set"
    world.deploy("v2")
    assert environment(world) == {"app": "set"}

    world.notes["secrets"] = ["KEY?", "NEEDED"]
    result = world.deploy("v3")
    assert result.error is not None
    assert result.error.message == f"{PLACE}: secret `NEEDED` is not set"
    assert "`?`" in str(result.error.hint)


def test_a_file_lies_in_the_container_and_its_content_counts(world: World) -> None:
    """Another content is another container, and so is another mode."""
    (world.folder / "a.conf").write_text("one\n")
    world.notes["files"] = [{"from": "a.conf", "to": "/etc/app/a.conf"}]
    world.deploy("v2")
    assert world.engine.read("shop-notes-green-1", "/etc/app/a.conf") == "one\n"
    assert world.deploy("v2").outcome == "unchanged"

    (world.folder / "a.conf").write_text("two\n")
    assert len(world.status().drift) == 1
    assert world.deploy("v2").outcome == "deployed"
    assert world.engine.read("shop-notes-blue-1", "/etc/app/a.conf") == "two\n"
    world.notes["files"][0]["mode"] = "0400"
    assert world.deploy("v2").outcome == "deployed"


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "device", "circle", "large", "env"])
def test_what_is_no_file_of_the_repository_is_refused(world: World, kind: str) -> None:
    """In one line with its place, before anything is started; a pipe is not waited for."""
    path = world.folder / "a.conf"
    told = {
        "missing": "cannot be read: No such file",
        "folder": "cannot be read: Is a directory",
        "pipe": "cannot be read: it is no file",
        "device": "cannot be read: it is no file",
        "circle": "cannot be read: ",
        "large": f"cannot be read: it is larger than {LARGEST:,} bytes",
        "env": "is the `.env` beside stack.yaml",
    }[kind]
    match kind:
        case "folder":
            path.mkdir()
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "circle":
            path.symlink_to("a.conf")
        case "large":
            path.write_bytes(b"x" * (LARGEST + 1))
        case "env":
            (world.folder / ".env").write_text("A=b\n")
            path.symlink_to(".env")
    world.notes["files"] = [{"from": "a.conf", "to": "/etc/a.conf"}]

    assert f"{PLACE}.files.0.from {told}" in reason(world)


def test_all_files_of_a_part_are_bounded(world: World) -> None:
    """They are held in memory, for each replica that is made."""
    (world.folder / "a.conf").write_bytes(b"x" * LARGEST)
    count = MOST // LARGEST + 1
    world.notes["files"] = [{"from": "a.conf", "to": f"/etc/{n}"} for n in range(count)]

    assert f"{PLACE}.files are larger than" in reason(world)


def test_root_is_refused_unless_it_is_said(world: World) -> None:
    """The hint names the key; who says it is warned each time, in plan, console and evidence."""
    (world.folder / "notes" / "Dockerfile").write_text("FROM python:3.13-slim\n")
    assert "say `user: root` there" in reason(world)

    world.notes["user"] = "root"
    result = world.deploy("v2")
    told = f"{PLACE}: its processes are root in their container, as `user: root` says"
    assert result.outcome == "deployed"
    spec = world.host.box("shop-notes-green-1").spec
    assert (spec.user, spec.capabilities) == ("0", True)
    assert any(told in each for each in world.evidence(result)["warnings"])
    assert told in describe_forecast(forecast(world.house, "notes", "v2"))
    world.events.clear()
    world.up()
    assert sum(told in e.text for e in world.events if isinstance(e, Warned)) == 1


def test_a_network_that_many_parts_join_is_looked_for_once(tmp_path: Path) -> None:
    """However many parts there are."""
    world = open_pair(tmp_path)
    for part in (*world.document["services"].values(), *world.document["accessories"].values()):
        part["networks"] = ["proxy"]
    world.engine.ensure_network("proxy", {})
    world.engine.calls.clear()
    require_externals(world.house)

    assert world.engine.calls == [Call("network", "proxy")]


def test_a_network_or_volume_of_others_must_be_there(world: World) -> None:
    """For a plan, a deploy and an up: before anything is started, by its place."""
    world.notes["networks"] = ["proxy"]
    assert f"{PLACE}.networks.0: there is no such network on the engine" in reason(world)
    for act in (world.up, lambda: forecast(world.house, None, None)):
        with pytest.raises(ConfigurationError, match=r"networks\.0: there is no such network"):
            act()
    world.notes["networks"] = []
    world.notes["volumes"] = ["media:/media"]
    world.document["volumes"] = {"media": {"external": "old-media"}}
    assert "volumes.media.external: there is no such volume on the engine" in reason(world)
    assert "old-media" not in world.host.disks


def test_a_volume_of_others_is_used_and_left(world: World) -> None:
    """It is not made, not warned of, and `down --volumes` leaves it, whoever's its label says it is."""
    world.engine.ensure_volume("shop-old", {"io.stackctl.stack": "shop"})
    world.document["volumes"] = {"media": {"external": "shop-old"}}
    world.notes["volumes"] = ["media:/media:ro"]
    world.deploy("v2")
    (volume,) = world.host.box("shop-notes-green-1").spec.volumes
    assert volume == Volume("shop-old", "/media", read_only=True, external=True)
    world.take_down(volumes=True)

    assert set(world.host.disks) == {"shop-old"}


@pytest.mark.parametrize("owner", ["shop", "blog", naming.SHARED])
def test_what_is_a_gateways_own_is_given_to_no_part(world: World, owner: str) -> None:
    """A volume with keys, passwords and who gets the traffic; of this stack, another one or the door."""
    name = naming.part_name(owner, "gateway")
    world.engine.ensure_volume(name, naming.labels(owner, "gateway"))
    world.document["volumes"] = {"media": {"external": name}}
    world.notes["volumes"] = ["media:/media:ro"]
    refused = r"volumes\.media\.external: this volume is a gateway's"
    assert re.search(refused, reason(world))
    for act in (world.up, lambda: plan_run(world.house, "notes", ("x",), None, terminal=False)):
        with pytest.raises(ConfigurationError, match=refused):
            act()


def test_the_shared_doors_network_is_joined_by_no_part(world: World) -> None:
    """Gateways take whoever is at one address there for the door."""
    name = naming.network_name(naming.SHARED)
    world.engine.ensure_network(name, naming.labels(naming.SHARED, "gateway"))
    world.notes["networks"] = [name]
    assert f"{PLACE}.networks.0: this network is a gateway's" in reason(world)


def test_an_accessory_without_a_port_has_to_stay_up(tmp_path: Path) -> None:
    """One that ends again and again is not ready, although the engine starts it each time."""
    world = World(tmp_path, accessories={"worker": {"image": "mongo:8", "deadline": "5s"}})
    world.host.apps["mongo:8"] = App(ready_after=float("inf"))
    assert world.up().accessories == {"worker": "started"}

    world.take_down()
    world.clock = world.host.clock = Flapping(world.host)
    with pytest.raises(EngineError, match="accessory `worker` is not ready after 5 s"):
        world.up()


def test_a_published_port_is_on_the_loopback(tmp_path: Path) -> None:
    """Of the accessory's own container; another port is drift."""
    db = {"image": "mongo:8", "port": 27017, "publish": ["127.0.0.1:5000:27017"]}
    world = World(tmp_path, accessories={"db": db})
    world.host.apps["mongo:8"] = App(port=27017)
    world.up()
    box = world.host.box("shop-db")
    assert {port: str(door) for port, door in box.spec.ports} == {27017: "127.0.0.1:5000"}

    db["publish"] = ["127.0.0.1:5001:27017"]
    assert len(world.status().drift) == 1


def test_files_of_read_only_containers_are_kept_while_somebody_has_them(world: World) -> None:
    """In a volume for each set of them; `prune` removes the old ones, and `down` all."""
    world.notes.update(read_only=True, files=[{"from": "a.conf", "to": "/etc/a.conf"}])
    for number, version in enumerate(("v2", "v3", "v4")):
        (world.folder / "a.conf").write_text(f"{number}\n")
        world.deploy(version)
    of_files = [name for name in world.host.disks if name.startswith("shop-files.")]
    assert len(of_files) == 3
    world.prune()
    assert [name for name in world.host.disks if name.startswith("shop-files.")] == of_files[1:]

    assert world.take_down().volumes == ()
    assert set(world.host.disks) == {"shop-gateway", "shop-gateway-scratch"}
