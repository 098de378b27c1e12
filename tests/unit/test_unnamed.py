"""Data at paths that an image wants a volume for, and stack.yaml does not name one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.engine.values import ContainerSpec, Image, Volume
from orchestrator.errors import ConfigurationError
from orchestrator.events import Warned
from orchestrator.lifecycle.forecast import forecast
from orchestrator.lifecycle.up import refit
from orchestrator.wording import describe_forecast
from tests.contract.bench import archive
from tests.fakes.apps import App
from tests.fakes.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.disk import Disk

BARE = {"image": "mongo:8", "port": 27017}
OF_DB = (
    "accessories.db: its image keeps data at /data/db, and a new container begins without them;"
    " add `db-data-db:/data/db` to its `volumes`"
)
OF_NOTES = (
    "services.notes: its image keeps data at /files, and a new container begins without them;"
    " add `notes-files:/files` to its `volumes`"
)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack that runs, of a service and a database; no volume is named for either."""
    world = World(tmp_path, accessories={"db": dict(BARE)})
    world.host.apps["mongo:8"] = App(port=27017)
    world.host.shelf.declare("mongo:8", "/data/db")
    (tmp_path / "notes" / "Dockerfile").write_text(
        "FROM python:3.13-slim\nVOLUME /files\nUSER 10001\n"
    )
    return world.begin()


def disk(world: World, container: str, path: str) -> Disk:
    """Return what a container has at a path."""
    return world.host.box(container).disks[path]


def kept(world: World) -> list[Disk]:
    """Return all disks that are there, whoever has them."""
    return [disk for disk, _ in world.host.disks.values()]


def keep_data(world: World) -> None:
    """Let the database write something."""
    world.engine.write("shop-db", "/data/db", archive(("WiredTiger", "data")))
    world.changes()


def warnings(world: World) -> list[str]:
    """Return what was warned of."""
    return [event.text for event in world.events if isinstance(event, Warned)]


@pytest.mark.parametrize(
    ("volumes", "read_only", "left"),
    [
        ((), False, ("/data", "/tmp")),
        (("/data",), False, ("/tmp",)),
        (("/data/",), False, ("/tmp",)),
        (("/data",), True, ()),
        (("/data/db",), True, ("/data",)),
        (("/",), True, ("/data",)),
    ],
    ids=["nothing", "one", "a slash more", "memory", "a path below", "a path above"],
)
def test_a_path_is_covered_by_what_is_mounted_there(
    volumes: tuple[str, ...], *, read_only: bool, left: tuple[str, ...]
) -> None:
    """As the engine sees it: what is mounted above or below a path is no volume for it."""
    image = Image("sha256:1", (), {}, volumes=("/tmp", "/data/"))
    mounts = tuple(Volume("shop-data", path) for path in volumes)
    spec = ContainerSpec("shop-db", "db", {}, None, volumes=mounts, read_only=read_only)

    assert image.uncovered(spec) == left


def test_an_up_names_the_path_and_the_key(world: World) -> None:
    """Each time, until somebody has decided: for the database and for the service."""
    assert world.up().warnings == (OF_DB,)
    assert sorted(warnings(world)) == [OF_DB, OF_NOTES]


def test_a_plan_and_a_deploy_name_them_too(world: World) -> None:
    """A plan of what is not built yet cannot know."""
    world.deploy("v2")
    assert warnings(world) == [OF_NOTES]

    told = describe_forecast(forecast(world.house, "notes", "v2"))
    assert f"warning: {OF_NOTES}\n" in told
    assert f"warning: {OF_DB}\n" in told
    assert OF_NOTES not in describe_forecast(forecast(world.house, "notes", "v3"))


def test_a_path_that_has_a_volume_is_no_matter(world: World) -> None:
    """Neither the database's nor the service's."""
    world.notes["volumes"] = ["files:/files"]
    world.deploy("v2")
    assert warnings(world) == []


def test_no_release_removes_data(world: World) -> None:
    """Those of the first version are there when its containers are long gone."""
    data = disk(world, "shop-notes-blue-1", "/files")
    for version in ("v2", "v3", "v4"):
        assert world.deploy(version).outcome == "deployed"

    assert data in kept(world)
    assert data is not disk(world, "shop-notes-blue-1", "/files")


def test_data_go_with_no_color_that_is_not_kept(world: World) -> None:
    """`keep: removed` is about containers."""
    data = disk(world, "shop-notes-blue-2", "/files")
    world.notes["keep"] = "removed"
    world.deploy("v2")

    assert "notes-blue-2" not in world.states()
    assert data in kept(world)


def test_a_migration_leaves_nothing(world: World) -> None:
    """Its container is made and removed by each release, and nobody keeps data there."""
    before = len(kept(world))
    world.deploy("v2")

    replicas = 2
    assert len(kept(world)) == before + replicas


def test_a_database_is_not_made_anew_without_its_data(world: World) -> None:
    """Nothing is changed; the error names the path, the key and the way to copy them."""
    name = world.host.box("shop-db").unnamed["/data/db"]
    keep_data(world)
    world.document["accessories"]["db"]["env"] = {"CACHE": "1"}
    with pytest.raises(
        ConfigurationError, match="`shop-db` has data at /data/db in a volume"
    ) as it:
        world.up(allow_downtime=True)
    assert it.value.hint is not None
    assert "add `db-data-db:/data/db` to accessories.db.volumes" in it.value.hint
    assert f"-v {name}:/from -v shop-db-data-db:/to mongo:8 -a /from/. /to" in it.value.hint
    with pytest.raises(ConfigurationError, match="`shop-db` has data at /data/db"):
        refit(world.house)

    assert world.changes() == []


def test_a_volume_that_nobody_has_made_yet_cannot_hold_the_data(world: World) -> None:
    """To name one is not to copy: a database on an empty volume has lost everything, too."""
    keep_data(world)
    world.document["accessories"]["db"]["volumes"] = ["data:/data/db"]
    with pytest.raises(ConfigurationError, match="`shop-db` has data at /data/db") as it:
        world.up(allow_downtime=True)

    assert it.value.hint is not None
    assert it.value.hint.startswith(
        "copy them to `shop-data`: `docker stop shop-db && docker volume"
    )
    assert world.changes() == []


def test_a_database_that_is_stopped_cannot_tell_that_it_has_none(world: World) -> None:
    """Its volume is taken to have data."""
    world.engine.stop("shop-db", 0)
    world.changes()
    world.document["accessories"]["db"]["env"] = {"CACHE": "1"}
    with pytest.raises(ConfigurationError, match="`shop-db` has data at /data/db"):
        world.up(allow_downtime=True)

    assert world.changes() == []


def test_a_path_where_nothing_is_has_nothing_to_lose(world: World) -> None:
    """As MongoDB's /data/configdb, which only some of its servers use."""
    world.document["accessories"]["db"]["env"] = {"CACHE": "1"}

    assert world.up(allow_downtime=True).accessories == {"db": "recreated"}


def test_a_database_is_made_anew_on_the_volume_that_they_were_copied_to(world: World) -> None:
    """What they were copied from stays, and it is said where."""
    data = disk(world, "shop-db", "/data/db")
    name = world.host.box("shop-db").unnamed["/data/db"]
    keep_data(world)
    world.engine.ensure_volume("shop-data", {"io.stackctl.stack": "shop"})
    world.document["accessories"]["db"]["volumes"] = ["data:/data/db"]
    done = world.up(allow_downtime=True)

    assert done.accessories == {"db": "recreated"}
    assert disk(world, "shop-db", "/data/db") is world.host.disks["shop-data"][0]
    assert data in kept(world)
    assert [name in warning for warning in done.warnings] == [True]


def test_a_down_says_where_data_stay(world: World) -> None:
    """Nothing leads to them any more; with `--volumes` they go."""
    data = disk(world, "shop-db", "/data/db")
    name = world.host.box("shop-db").unnamed["/data/db"]
    world.take_down()

    assert data in kept(world)
    assert any(
        f"`shop-db` at /data/db stay in a volume without a name: `docker volume rm {name}`" in text
        for text in warnings(world)
    )


def test_a_down_with_volumes_takes_all_data(world: World) -> None:
    """Also those in volumes without a name."""
    world.take_down(volumes=True)

    assert world.host.disks == {}
    assert warnings(world) == []
