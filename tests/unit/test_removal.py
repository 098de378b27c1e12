"""`down` and `prune`: what goes, what stays."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import pytest

from orchestrator.engine.values import ContainerSpec
from orchestrator.errors import EngineError, LockedError
from orchestrator.events import Warned
from orchestrator.lifecycle.removal import find_old_images
from orchestrator.release.lock import hold_lock
from orchestrator.release.observe import observe
from orchestrator.release.plan import Order
from orchestrator.release.rollout import deploy
from orchestrator.stack import naming
from tests.fakes.apps import App
from tests.fakes.disk import join
from tests.fakes.faults import Fault
from tests.fakes.world import MONGO, NOTES, World

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack of two services and a database, up."""
    services = {"notes": dict(NOTES), "web": {**NOTES, "replicas": 1}}
    world = World(tmp_path, services=services, accessories={"db": dict(MONGO)})
    world.host.apps["mongo:8"] = App(port=27017)
    return world.begin()


def stored(world: World) -> list[str]:
    """Return the configs in the gateway's volume."""
    return list(world.stored_configs())


def test_down_removes_containers_and_network_and_keeps_the_data(world: World) -> None:
    """What was removed is named; volumes and images are still there."""
    removed = world.take_down()

    assert world.states() == {}
    assert world.host.networks == {}
    assert removed.containers == (
        "shop-db",
        "shop-gateway",
        "shop-notes-blue-1",
        "shop-notes-blue-2",
        "shop-web-blue-1",
    )
    assert removed.volumes == ()
    assert "shop-data" in world.host.disks
    assert world.host.shelf.find("shop-notes:v1")


def test_down_lets_the_gateway_end_first(world: World) -> None:
    """What is in flight is answered while the services still run."""
    world.take_down()

    stops = [name for what, name in world.changes() if what == "stop"]
    assert stops[0] == "gateway"
    assert stops[-1] == "db"
    assert world.host.cut == []


def test_down_with_volumes_removes_the_data(world: World) -> None:
    """Only when asked for."""
    removed = world.take_down(volumes=True)

    assert removed.volumes == ("shop-data", "shop-gateway", "shop-gateway-scratch")
    assert world.host.disks == {}


def test_volumes_of_services_are_data_as_well(world: World) -> None:
    """They carry the stack's label like those of accessories, so they can be found."""
    world.notes["volumes"] = ["uploads:/uploads"]
    world.deploy("v2")

    assert "shop-uploads" in world.take_down(volumes=True).volumes


def test_down_touches_nothing_of_other_stacks(world: World) -> None:
    """Neither containers nor networks nor volumes."""
    labels = naming.labels("other", "service")
    other = world.engine.run(ContainerSpec("other-app", "nginx:1.30", labels, None))
    world.engine.ensure_volume("other-data", labels)
    world.engine.ensure_network("other", labels)
    world.take_down(volumes=True)

    assert list(world.host.boxes) == [other]
    assert (set(world.host.disks), set(world.host.networks)) == ({"other-data"}, {"other"})


def test_down_can_be_repeated(world: World) -> None:
    """Where nothing is left there is nothing to do, and no lock to take."""
    world.take_down()
    world.changes()

    assert world.take_down().containers == ()
    assert world.changes() == []


def test_down_goes_on_where_it_was_broken_off(world: World) -> None:
    """An error in the middle leaves a rest that the next `down` takes away."""
    world.engine.fail(Fault("remove", on="notes-blue-1"))
    with pytest.raises(EngineError):
        world.take_down()

    world.take_down()
    assert world.states() == {}


def test_up_after_down_begins_with_the_data_that_was_kept(world: World) -> None:
    """The services begin with the version of stack.yaml, the database with its volume."""
    disk = world.host.disks["shop-data"][0]
    world.deploy("v2")
    world.take_down()

    assert world.up().exit_code == 0
    assert world.serving() == {"v1"}
    assert disk in world.host.box("shop-db").disks.values()


@pytest.mark.parametrize("command", ["take_down", "prune"])
def test_nothing_is_removed_while_another_has_the_lock(world: World, command: str) -> None:
    """A release under way is left alone."""
    with hold_lock(world.house, "deploy"), pytest.raises(LockedError):
        getattr(world, command)()

    assert [what for what, _ in world.changes() if what in ("stop", "remove")] == []


def test_down_respects_a_lock_where_there_is_no_gateway_yet(world: World) -> None:
    """The first `up` has begun with the databases."""
    world.engine.remove("shop-gateway")
    with hold_lock(world.house, "up"), pytest.raises(LockedError):
        world.take_down()

    assert world.states()["db"] == "running"


def test_down_goes_without_a_lock_where_its_image_is_gone(world: World) -> None:
    """Nobody can have it then."""
    world.engine.remove("shop-gateway")
    world.host.shelf.remove("nginx:1.30")
    world.take_down()

    assert world.states() == {}


def test_down_that_loses_its_lock_removes_nothing_more(world: World) -> None:
    """Somebody else may bring the stack up again already."""
    lose = Fault("remove", on="gateway", late=True, error=world.host.lose_connections)
    world.engine.fail(lose)
    with pytest.raises(LockedError, match="the lock was lost"):
        world.take_down(volumes=True)

    assert set(world.states()) == {"db", "notes-blue-1", "notes-blue-2", "web-blue-1"}
    assert "shop-net" in world.host.networks


def test_down_lets_nobody_in_before_all_is_gone(world: World) -> None:
    """Whoever waits for the lock to bring the stack up would find its network taken away."""
    held: list[bool] = []
    world.engine.fail(
        Fault("remove_network", error=lambda: held.append("lock" in world.states())),
        Fault("remove_volume", error=lambda: held.append("lock" in world.states())),
    )
    world.take_down(volumes=True)

    assert held == [True, True]


def test_prune_that_loses_its_lock_in_a_drain_removes_nothing_more(world: World) -> None:
    """What was nobody's may be somebody's by now."""
    del world.document["services"]["web"]
    world.up()
    world.engine.fail(Fault("processes", late=True, error=world.host.lose_connections))
    with pytest.raises(LockedError, match="the lock was lost"):
        world.prune()

    assert world.states()["web-blue-1"] == "running"


def test_prune_keeps_what_is_wanted(world: World) -> None:
    """Active and previous versions, the newest images and the config that serves stay."""
    world.deploy("v2")
    before = world.states()
    removed = world.prune()

    assert (removed.containers, removed.images, removed.configs) == ((), (), ())
    assert world.states() == before


def test_prune_removes_containers_of_a_service_that_is_gone(world: World) -> None:
    """Once neither stack.yaml nor NGINX knows it."""
    del world.document["services"]["web"]
    world.up()
    removed = world.prune()

    assert removed.containers == ("shop-web-blue-1",)
    assert "web-blue-1" not in world.states()
    assert world.serving("notes") == {"v1"}
    assert world.host.cut == []


def test_a_service_that_comes_back_after_a_prune_is_released_as_if_for_the_first_time(
    world: World,
) -> None:
    """Its link of before leads to nobody: it is no version that was serving."""
    web = world.document["services"].pop("web")
    world.up()
    world.prune()
    world.document["services"]["web"] = {**web, "version": "v2"}
    done = {result.service: result for result in world.up().services}

    assert (done["web"].outcome, done["web"].version) == ("deployed", "v2")
    assert observe(world.house).lane("web").kept is None
    assert world.status().recovery == ()


def test_a_service_that_comes_back_with_its_containers_keeps_its_version(world: World) -> None:
    """Whatever comes first, `up` or a release: no candidate is where the link of before leads to."""
    for begin in (world.up, lambda: deploy(world.house, Order("web", "v3"))):
        web = world.document["services"].pop("web")
        world.up()
        world.document["services"]["web"] = web
        seen = observe(world.house)
        before = seen.lane("web").active
        addresses = {r.container.addresses["shop-net"] for r in seen.replicas if r.service == "web"}
        assert before is not None
        begin()
        after = observe(world.house)
        assert before in {after.lane("web").active, after.lane("web").kept}
        assert addresses <= {*after.table.require("web", before.color).addresses}
    assert world.host.cut == []


def test_prune_leaves_a_service_that_nginx_still_serves(world: World) -> None:
    """Edited out of stack.yaml is not yet taken out of the gateway: `up` does that."""
    del world.document["services"]["web"]

    assert world.prune().containers == ()
    assert world.serving("web") == {"v1"}


def test_prune_removes_old_images_but_none_in_use(world: World) -> None:
    """The newest of each service stay, and those that a container was made from."""
    for version in ("v2", "v3", "v4"):
        world.deploy(version)
    removed = world.prune(keep=1)

    assert set(removed.images) == {"shop-notes:v1", "shop-notes:v2"}
    assert {image.tags for image in world.host.shelf.of("shop")} == {
        ("shop-notes:v4",),
        ("shop-notes:v3",),
        ("shop-web:v1",),
    }


def test_an_image_that_cannot_be_removed_is_a_warning(world: World) -> None:
    """A container of somebody else may use it."""
    for version in ("v2", "v3", "v4"):
        world.deploy(version)
    world.engine.run(ContainerSpec("stranger", "shop-notes:v1", {}, None))
    removed = world.prune(keep=1)

    assert removed.images == ("shop-notes:v2",)
    warnings = [event.text for event in world.events if isinstance(event, Warned)]
    assert warnings == ["removing image `shop-notes:v1`: a container uses it"]


def test_untagged_images_are_old(world: World) -> None:
    """A rebuild took their name away; nobody can ask for them any more."""
    world.deploy("v2")
    dockerfile = world.folder / "notes" / "Dockerfile"
    for number in range(3):
        dockerfile.write_text(f"FROM nginx:1.30\nUSER 10001\n# {number}\n")
        world.deploy("v2")
    images = world.engine.images("shop")
    old = find_old_images(images, observe(world.house), keep=5)

    assert old
    assert all(not image.tags for image in old)


def test_prune_removes_no_configs_where_nginx_does_not_say_which_one_serves(world: World) -> None:
    """The one that the link names need not be it."""
    disk, folder = world.host.box("shop-gateway").find("/etc/stackctl/configs")
    disk.link(join(folder, "0123"), "nowhere")
    world.engine.fail(Fault("containers", skip=1, late=True, error=partial(be_silent, world)))
    removed = world.prune()

    assert removed.configs == ()
    assert "0123" in stored(world)


def be_silent(world: World) -> None:
    """Let NGINX not answer once."""
    world.host.silent = 1


def test_prune_removes_configs_that_do_not_serve(world: World) -> None:
    """A stackctl that was killed leaves its configs; they are of no use to anybody."""
    disk, folder = world.host.box("shop-gateway").find("/etc/stackctl/configs")
    disk.link(join(folder, "4567"), "nowhere")
    serving = stored(world)
    removed = world.prune()

    assert removed.configs == ("4567",)
    assert stored(world) == [name for name in serving if name != "4567"]
    assert world.serving() == {"v1"}


def leave_holder(world: World, name: str) -> None:
    """Leave what a command leaves that dies while it makes a container with files or a new volume."""
    labels = naming.labels("shop", "holder")
    world.engine.create(ContainerSpec(f"shop-{name}", "nginx:1.30", labels, None))


@pytest.mark.parametrize("command", ["up", "prune", "take_down"])
def test_what_held_a_volume_goes_with_the_next_command(world: World, command: str) -> None:
    """It is the stack's own, whoever died over it; what is called otherwise is not."""
    leave_holder(world, "web-green-1.files")
    leave_holder(world, "notes-green-1.owner")
    leave_holder(world, "notes-green-1.other")

    getattr(world, command)()
    left = {name for name in world.states() if "." in name}

    assert left == {"notes-green-1.other"}


def test_what_a_run_at_work_holds_is_left_by_a_release(world: World) -> None:
    """A run needs no lock: it may be about to write. `prune` takes what is left of dead ones."""
    leave_holder(world, "notes-run-0123abcd.files")

    world.deploy("v2")
    assert "notes-run-0123abcd.files" in world.states()

    assert world.prune().containers == ("shop-notes-run-0123abcd.files",)
