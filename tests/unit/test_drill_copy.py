"""A drill's copy of a stack: nothing else is ever removed, however it is called."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from orchestrator.drill.belongings import (
    LONGEST_NAME,
    describe_removed,
    name_copy,
    refuse_others,
    remove_copy,
)
from orchestrator.drill.outside import find_outside
from orchestrator.engine.marking import put_labels
from orchestrator.errors import Conflict
from orchestrator.stack import naming
from orchestrator.stack.copy import write_copy
from orchestrator.stack.load import load_stack
from orchestrator.stack.model import Stack
from orchestrator.stack.quantities import Address
from tests.fakes.apps import App
from tests.fakes.world import MONGO, World

if TYPE_CHECKING:
    from pathlib import Path

MARK = {naming.DRILL_OF: "sec"}


class Copy(World):
    """The copy of stack `sec`, or with `real` a stack of somebody that has just its name."""

    def __init__(self, folder: Path, *, real: bool = False) -> None:
        own: dict[str, object] = {} if real else {"x-drill-of": "sec"}
        super().__init__(folder, name="sec-drill", accessories={"db": dict(MONGO)}, **own)
        self.host.apps["mongo:8"] = App(port=27017)
        if not real:
            self.engine = put_labels(self.engine, MARK)  # type: ignore[assignment]
        self.begin()
        self.document["x-drill-of"] = "sec"  # as the drill of `sec` sees it, either way


def test_all_of_a_copy_wears_the_label(tmp_path: Path) -> None:
    """Containers, networks, volumes and images: whoever cleans up can tell them."""
    world = Copy(tmp_path)
    house = world.house
    worn = [one.labels for one in house.engine.named("sec-drill-")]
    worn += [image.labels for image in house.engine.images("sec-drill")]
    assert len(worn) > 6
    assert all(labels.get(naming.DRILL_OF) == "sec" for labels in worn)
    assert refuse_others(house) is True


def test_a_copy_is_removed_with_all_it_has(tmp_path: Path) -> None:
    """It is said what that was."""
    world = Copy(tmp_path)
    removed = remove_copy(world.house)
    assert (world.states(), world.host.networks, world.host.disks) == ({}, {}, {})
    assert "sec-drill-data" in removed.volumes
    assert removed.images == ("sec-drill-notes:v1",)
    assert describe_removed("sec-drill", removed) == (
        "`sec-drill` is removed: 4 containers, 3 volumes, 1 image"
    )
    assert refuse_others(world.house) is False


def test_a_stack_with_the_name_of_the_copy_is_refused(tmp_path: Path) -> None:
    """Nothing of it is touched: not by `--clean`, and not before a drill begins."""
    world = Copy(tmp_path, real=True)
    before = (world.states(), dict(world.host.disks))
    for act in (refuse_others, remove_copy):
        with pytest.raises(
            Conflict, match="`sec-drill` is the name of the copy of `sec`, and of a"
        ):
            act(world.house)
    assert (world.states(), world.host.disks) == before


@pytest.mark.parametrize("kind", ["volume", "network", "image"])
def test_a_part_of_a_stack_is_enough_to_refuse_it(tmp_path: Path, kind: str) -> None:
    """Also where its containers are gone: the data that it has left, or a version to go back to."""
    world = Copy(tmp_path, real=True)
    world.take_down()
    if kind != "image":
        for image in world.engine.images("sec-drill"):
            world.engine.remove_image(image.tags[0])
    if kind != "volume":
        world.host.disks.clear()
    if kind == "network":
        worn = naming.labels("sec-drill", "gateway")
        world.host.make_network("sec-drill-net", worn, internal=False, subnet=None)
    with pytest.raises(Conflict, match=kind):
        remove_copy(world.house)


def test_the_copy_of_another_stack_is_refused(tmp_path: Path) -> None:
    """The label says whose copy it is."""
    world = Copy(tmp_path)
    world.document["x-drill-of"] = "other"
    with pytest.raises(Conflict, match="the copy of `other`"):
        remove_copy(world.house)


@pytest.mark.parametrize(
    ("stack", "copy"),
    [
        ("sec", "sec-drill"),
        ("platform-notes", "platform-notes-drill"),
        ("platform-notes-eu", "platfor-"),
        ("platform-notes-us", "platfor-"),
        ("a-b-c-d-e-f-g-h-i-j", "a-b-c-d-"),
    ],
)
def test_a_copy_has_a_name_of_its_own(stack: str, copy: str) -> None:
    """A stack's name may be, and none that another stack's copy has."""
    name = name_copy(stack)
    assert name.startswith(copy)
    assert name.endswith("-drill")
    assert len(name) <= LONGEST_NAME
    assert Stack.model_fields["name"]
    others = {name_copy(f"platform-notes-{end}") for end in ("eu", "us", "e", "eu-1")}
    assert len(others) == 4


def test_a_copy_says_whose_it_is(tmp_path: Path) -> None:
    """In its own file, so that each command that brings it up puts the label on."""
    world = World(tmp_path)
    file, target = tmp_path / "stack.yaml", tmp_path / "copy.yaml"
    file.write_text(json.dumps(world.document))
    write_copy(file, {}, target, "shop-drill", (Address("127.0.0.1", 1), Address("127.0.0.1", 2)))
    assert load_stack(target, {}).drill_of == "shop"
    assert load_stack(file, {}).drill_of is None


def test_a_copy_finds_the_pages_of_its_original(tmp_path: Path) -> None:
    """They are beside that one, the gateway's as well as a service's."""
    world = World(tmp_path)
    world.document["gateway"]["error_pages"] = {404: "404.html"}
    world.notes["error_pages"] = {"50x": "sorry.html"}
    for name in ("404.html", "sorry.html"):
        (tmp_path / name).write_text(name)
    (tmp_path / "elsewhere").mkdir()
    file, target = tmp_path / "stack.yaml", tmp_path / "elsewhere" / "stack.yaml"
    file.write_text(json.dumps(world.document))
    write_copy(file, {}, target, "shop-drill", (Address("127.0.0.1", 1), Address("127.0.0.1", 2)))
    copied = load_stack(target, {}, outside=True)
    assert copied.gateway.error_pages == {"404": str(tmp_path / "404.html")}
    assert copied.services["notes"].error_pages == {"50x": str(tmp_path / "sorry.html")}


def test_what_leads_out_of_the_stack_is_named(tmp_path: Path) -> None:
    """By its name; its value may be secret. What leads to a part of the stack, or nowhere, is not."""
    world = World(tmp_path, accessories={"db": dict(MONGO)})
    world.notes["env"] = {
        "OUTSIDE": "postgres://user:pass@prod.example:5432/orders",
        "LIST": "mongodb://db:27017,http://[2001:db8::1]:80/",
        "INSIDE": "mongodb://user:pass@db:27017/notes",
        "LOCAL": "http://127.0.0.1:9000 http://localhost/",
        "TEXT": "no address",
    }
    world.notes["secrets"] = ["URL:PROD_URL", "WORD"]
    variables = {"PROD_URL": "amqp://queue.example", "WORD": "x://"}
    stack = Stack.model_validate(world.document)
    assert list(find_outside(stack, variables)) == [
        "services.notes: OUTSIDE",
        "services.notes: LIST",
        "services.notes: URL",
    ]
