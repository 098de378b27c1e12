"""Containers that somebody else has labelled: they are named, left alone, and break nothing."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from hypothesis import example, given
from hypothesis import strategies as st

from orchestrator.engine.values import Container, ContainerSpec
from orchestrator.errors import StackctlError
from orchestrator.events import Warned
from orchestrator.lifecycle.forecast import forecast, render_current
from orchestrator.release.replica import to_replica
from orchestrator.stack import naming
from tests.fakes.world import World
from tests.properties.budget import examples
from tests.properties.hostile import TEXTS, damaged
from tests.properties.nginx import read_config

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

OURS = {
    naming.ROLE: "service",
    naming.SERVICE: "notes",
    naming.COLOR: "green",
    naming.VERSION: "v2",
    naming.RELEASE: "20300101-000000-notes-v2",
    naming.REPLICA: "1",
    naming.SPEC: "0" * 16,
}
NAMES = ["shop-notes-green-1", "shop-notes-green-1.aside"]
VALUES = st.sampled_from(
    [
        *("service", "gateway", "lock", "accessory", "migration", "notes", "web", "blue", "green"),
        *("1", "0", "9" * 5000, "٣", "-1", "007", "../../x", 'v1"; return 200 "x'),
    ]
)
LABELS = (
    st.just(OURS)
    | damaged(OURS, VALUES | TEXTS)
    | st.dictionaries(st.sampled_from([*OURS]), VALUES | TEXTS)
)
STRANGERS = st.dictionaries(
    st.sampled_from(["stray", "shop-web-blue-9", "x" * 60]), LABELS, max_size=3
)
ACTS: tuple[Callable[[World], object], ...] = (
    lambda world: world.deploy("v2"),
    lambda world: world.rollback(),
    lambda world: world.status(),
    lambda world: forecast(world.house, None, None),
    lambda world: render_current(world.house),
    lambda world: world.prune(keep=1),
    lambda world: world.up(allow_downtime=True),
    lambda world: world.take_down(volumes=True),
)


@examples(200)
@given(labels=LABELS, name=st.sampled_from([*NAMES, "stray"]) | TEXTS)
@example(labels={**OURS, naming.REPLICA: "9" * 5000}, name="shop-notes-green-1")
def test_a_replica_is_what_its_name_and_labels_agree_on(
    labels: Mapping[str, str], name: str
) -> None:
    """Anything else is not ours: neither its version nor its release is ever repeated."""
    replica = to_replica(Container("1", name, "i", "running", {naming.STACK: "shop", **labels}))
    if replica is None:
        return
    made = naming.replica_name("shop", replica.service, replica.color, replica.number)
    assert name in (made, naming.aside_name(made))
    assert set(replica.version + replica.release) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-"
    )


def test_our_own_replica_is_one() -> None:
    """The labels of the property above are those that stackctl writes."""
    labels = {naming.STACK: "shop", **OURS}
    replica = to_replica(Container("1", "shop-notes-green-1", "i", "running", labels))
    assert replica is not None
    assert (replica.number, replica.version) == (1, "v2")


@examples(25)
@given(strangers=STRANGERS, act=st.sampled_from(ACTS))
def test_strangers_are_named_and_left_alone(
    strangers: Mapping[str, Mapping[str, str]], act: Callable[[World], object]
) -> None:
    """Whatever labels of ours others wear: each is told, and none is stopped, started or removed."""
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.up()
        for name, labels in strangers.items():
            worn = {**labels, naming.STACK: "shop"}
            world.engine.run(ContainerSpec(name, "nginx:1.30", worn, None))
        assert {n for n in strangers if any(f"`{n}`" in line for line in world.status().drift)} == {
            *strangers
        }
        world.changes()
        with suppress(StackctlError):  # such as nothing to roll back to
            act(world)

        assert not {subject for _, subject in world.changes()} & {
            n.removeprefix("shop-") for n in strangers
        }
        assert {box.spec.name for box in world.host.boxes.values()} >= strangers.keys()


@examples(25)
@given(strangers=STRANGERS.filter(bool))
def test_down_tells_whom_it_leaves(strangers: Mapping[str, Mapping[str, str]]) -> None:
    """What is not ours is not among what was removed, and a warning names it."""
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.up()
        for name, labels in strangers.items():
            world.engine.run(
                ContainerSpec(name, "nginx:1.30", {**labels, naming.STACK: "shop"}, None)
            )
        removed = world.take_down()
        warned = " ".join(event.text for event in world.events if isinstance(event, Warned))

        assert not {*removed.containers} & strangers.keys()
        assert all(f"`{name}`" in warned for name in strangers)


@examples(25)
@given(
    which=st.sampled_from(["notes-blue-1", "notes-blue-2", "notes-green-1", "gateway"]),
    labels=LABELS,
    act=st.sampled_from(ACTS),
)
def test_damaged_labels_of_our_own_lead_to_words(
    which: str, labels: Mapping[str, str], act: Callable[[World], object]
) -> None:
    """A container that an older or a broken stackctl has labelled is an error at worst, in words."""
    with TemporaryDirectory() as folder:
        world = World(Path(folder))
        world.up()
        world.deploy("v2")
        box = world.host.box(f"shop-{which}")
        box.spec = replace(box.spec, labels={**labels, naming.STACK: "shop"})
        with suppress(StackctlError):
            act(world)
        with suppress(StackctlError):
            read_config(render_current(world.house), Path(folder))
