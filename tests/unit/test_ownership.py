"""Names that two stacks would share: whoever comes second is refused before anything changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.engine.values import BuildOrder, ContainerSpec, Named
from orchestrator.errors import Conflict
from orchestrator.lifecycle.forecast import forecast
from orchestrator.release.ownership import find_foreign, names_of_service, names_of_stack
from orchestrator.stack import naming
from orchestrator.stack.model import Stack
from orchestrator.wording import describe_forecast
from tests.fakes.apps import App
from tests.fakes.world import MONGO, NOTES, World

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.engine.values import Kind

OTHERS = {naming.STACK: "sho"}
TWO = {
    "version": 1,
    "name": "cases-two",
    "gateway": {"image": "nginx:1.30"},
    "services": {"app": {"image": "app:{version}", "port": 8000, "volumes": ["data:/data"]}},
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack of one service and a database; nothing runs."""
    world = World(tmp_path, accessories={"db": dict(MONGO)}, internal=True)
    world.host.apps["mongo:8"] = App(port=27017)
    return world


def settle(world: World, name: str, labels: dict[str, str]) -> None:
    """Let somebody have a container of that name, and forget that it was made."""
    world.engine.create(ContainerSpec(name=name, image="mongo:8", labels=labels, network=None))
    world.changes()


def test_a_name_with_a_hyphen_is_whose_its_label_says() -> None:
    """Volume `two-data` of `cases` and volume `data` of `cases-two` are one name on the engine."""
    stack = Stack.model_validate(TWO)
    wanted = names_of_stack(stack)
    for kind, name in (
        ("volume", "cases-two-data"),
        ("volume", "cases-two-gateway"),
        ("network", "cases-two-net"),
        ("container", "cases-two-gateway"),
        ("container", "cases-two-app-blue-1"),
        ("container", "cases-two-app-green-1"),
    ):
        theirs = Named(_kind(kind), name, {naming.STACK: "cases"})
        assert find_foreign("cases-two", wanted, [theirs]) == (theirs,), name
        assert find_foreign("cases", frozenset(), [theirs]) == (), name
    others = Named("volume", "cases-two-other", {naming.STACK: "cases"})
    assert find_foreign("cases-two", wanted, [others]) == ()


def test_a_release_needs_no_names_but_its_services() -> None:
    """What another part of the stack needs is no matter of its."""
    service = {**NOTES, "volumes": ["files:/files"], "replicas": 1}
    stack = Stack.model_validate({**TWO, "services": {"notes": service, "web": dict(NOTES)}})

    assert {name for _, name in names_of_service(stack, "notes")} == {
        "cases-two-notes-blue-1",
        "cases-two-notes-green-1",
        "cases-two-notes-migration",
        "cases-two-files",
    }


@pytest.mark.parametrize("volume", ["shop-data", "shop-gateway"])
def test_an_up_leaves_a_volume_of_another_stack_alone(world: World, volume: str) -> None:
    """Not one change on the engine; the error says whose it is and what to do."""
    world.engine.ensure_volume(volume, OTHERS)
    world.changes()
    with pytest.raises(
        Conflict, match=f"volume `{volume}` is there and belongs to stack `sho`"
    ) as it:
        world.up()

    assert it.value.hint == "give this stack, or this part of it, another name in stack.yaml"
    assert world.changes() == []


@pytest.mark.parametrize(
    "name", ["gateway", "db", "notes-blue-1", "notes-green-2", "notes-migration"]
)
@pytest.mark.parametrize("labels", [OTHERS, {}], ids=["another stack's", "nobody's"])
def test_an_up_stops_before_a_container_of_somebody_else(
    world: World, name: str, labels: dict[str, str]
) -> None:
    """Also one whose name only the release after next would need."""
    settle(world, f"shop-{name}", labels)
    whose = "belongs to stack `sho`" if labels else "was not made by stackctl"
    with pytest.raises(Conflict, match=f"container `shop-{name}` is there and {whose}"):
        world.up()

    assert world.changes() == []


def test_who_wears_our_labels_has_to_have_made_it_our_way(world: World) -> None:
    """Started by hand from an image that was built here: its name is in the way all the same."""
    image = naming.labels("shop", "service", service="notes", version="v1")
    settle(world, "shop-notes-blue-1", image)
    with pytest.raises(Conflict, match="`shop-notes-blue-1` is there"):
        world.up()

    assert world.changes() == []


def test_an_up_makes_no_network_beside_one_of_another_stack(world: World) -> None:
    """The second network of the two is looked at before the first one is made."""
    world.engine.ensure_network("shop-edge", OTHERS)
    world.changes()
    with pytest.raises(Conflict, match="network `shop-edge` is there and belongs to stack `sho`"):
        world.up()

    assert world.changes() == []


def test_a_release_builds_nothing_where_a_name_is_taken(world: World) -> None:
    """It ends in its first phase, as a failed release does, and users notice nothing."""
    world.begin()
    world.notes["volumes"] = ["files:/files"]
    world.engine.ensure_volume("shop-files", OTHERS)
    world.changes()
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert result.error is not None
    assert result.error.message == "volume `shop-files` is there and belongs to stack `sho`"
    assert world.changes() == []
    assert world.serving() == {"v1"}


def test_a_rollback_that_makes_nothing_asks_for_no_names(world: World) -> None:
    """An earlier stackctl has let the stacks share a volume: the way back stays open."""
    world.notes["volumes"] = ["files:/files"]
    world.begin().deploy("v2")
    disk, _ = world.host.disks["shop-files"]
    world.host.disks["shop-files"] = (disk, OTHERS)
    assert world.rollback().outcome == "deployed"
    assert world.serving() == {"v1"}


def test_a_rollback_to_what_is_not_kept_is_refused_as_a_deploy_is(world: World) -> None:
    """It makes new containers."""
    world.begin()
    world.notes["volumes"] = ["files:/files"]
    world.engine.ensure_volume("shop-files", OTHERS)
    world.changes()
    result = world.rollback("v1")

    assert result.error is not None
    assert result.error.message == "volume `shop-files` is there and belongs to stack `sho`"
    assert world.changes() == []
    assert world.serving() == {"v1"}


def test_a_plan_says_that_a_name_is_taken(world: World) -> None:
    """Before anybody has tried."""
    world.begin()
    world.notes["volumes"] = ["files:/files"]
    world.engine.ensure_volume("shop-files", OTHERS)
    with pytest.raises(Conflict, match="`shop-files` is there and belongs to stack `sho`"):
        forecast(world.house, "notes", "v2")


def test_a_volume_that_somebody_brought_is_used_and_left(world: World) -> None:
    """With data or a driver of their own: it is no other stack's, and `down --volumes` spares it."""
    world.engine.ensure_volume("shop-data", {})
    warning = (
        "volume `shop-data` was not made by stackctl: it is used, and `down --volumes` leaves it"
    )
    assert world.up().warnings == (warning,)
    assert f"warning: {warning}" in describe_forecast(forecast(world.house, None, None))

    world.take_down(volumes=True)
    assert set(world.host.disks) == {"shop-data"}


def test_a_down_leaves_the_network_of_another_stack(world: World) -> None:
    """An earlier stackctl's network had the stack's own name, as `<stack>-net` of another has."""
    world.begin()
    world.engine.ensure_network("shop", OTHERS)
    world.take_down(volumes=True)

    assert set(world.host.networks) == {"shop"}


def test_a_lock_that_is_no_lock_is_told_at_once(world: World) -> None:
    """Another stack's part has its name: nobody will ever give it back."""
    settle(world, "shop-lock", OTHERS)
    before = world.clock.monotonic()
    with pytest.raises(Conflict, match="container `shop-lock` is there and belongs to stack `sho`"):
        world.up()

    assert world.clock.monotonic() - before < 1.0


def test_a_rollback_starts_no_image_of_another_stack(world: World) -> None:
    """Service `b` of `shop-a` and service `a-b` of `shop` have one name for their images."""
    world.begin()
    folder = world.folder / "notes"
    order = BuildOrder(folder, "Dockerfile", "shop-notes:v0", {}, OTHERS)
    world.engine.build(order, lambda _: None)
    result = world.rollback("v0")

    assert result.error is not None
    assert result.error.message == "image `shop-notes:v0` belongs to stack `sho`"
    assert world.serving() == {"v1"}


def test_a_build_takes_no_image_of_another_stack_its_name(world: World) -> None:
    """Its way back would be ours."""
    world.begin()
    order = BuildOrder(world.folder / "notes", "Dockerfile", "shop-notes:v2", {}, OTHERS)
    theirs = world.engine.build(order, lambda _: None)
    result = world.deploy("v2")

    assert result.error is not None
    assert result.error.message == "image `shop-notes:v2` belongs to stack `sho`"
    assert world.engine.image("shop-notes:v2") == theirs
    assert world.serving() == {"v1"}


def _kind(word: str) -> Kind:
    match word:
        case "volume":
            return "volume"
        case "network":
            return "network"
        case _:
            return "container"
