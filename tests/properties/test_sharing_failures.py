"""A stack that joins or leaves a shared door, and fails or dies at any call: others notice nothing."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import StackctlError
from orchestrator.stack import naming
from tests.fakes.death import Killed, bury
from tests.fakes.faults import ALWAYS, Fault
from tests.fakes.tenants import Tenant
from tests.properties.budget import STRIDE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

JOIN, LEAVE = Tenant.up, Tenant.take_down


def open_both(folder: Path, *, up: bool) -> tuple[Tenant, Tenant]:
    """Return a stack that is up behind the door, and one that is so as well, or is yet to come."""
    folder.mkdir()
    blog = Tenant(folder / "blog", "blog", 8082)
    blog.up()
    shop = Tenant(folder / "shop", "shop", 8081, blog)
    if up:
        shop.up()
    return blog, shop


def assert_nothing_is_left(blog: Tenant) -> None:
    """Of both stacks, and of the door."""
    assert [box.spec.name for box in blog.host.boxes.values()] == []
    assert [*blog.host.networks] == []
    assert not [name for name in blog.host.disks if name.startswith(naming.SHARED)]


def count_calls(folder: Path, command: Callable[[Tenant], object]) -> int:
    """Return how many calls of the engine a command makes."""
    _, shop = open_both(folder / "rehearsal", up=command is LEAVE)
    before = len(shop.engine.calls)
    command(shop)
    return len(shop.engine.calls) - before


@pytest.mark.parametrize("command", [JOIN, LEAVE], ids=["join", "leave"])
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
def test_death_at_any_call_is_nothing_to_others(
    tmp_path: Path, command: Callable[[Tenant], object], *, late: bool
) -> None:
    """The other stack is served all the time; the next `up` comes in, and nothing is left at the end."""
    for skip in range(0, count_calls(tmp_path, command), 2 * STRIDE):
        blog, shop = open_both(tmp_path / str(skip), up=command is LEAVE)
        shop.engine.fail(Fault(skip=skip, times=ALWAYS, late=late, error=Killed))
        with pytest.raises(Killed):
            command(shop)
        bury(shop)
        assert blog.answers(), skip
        shop.up()
        assert (blog.answers(), shop.answers()) == (True, True), skip
        assert blog.deploy("v2").outcome == "deployed", skip
        shop.take_down()
        assert blog.answers(), skip
        blog.take_down()
        assert_nothing_is_left(blog)


@pytest.mark.parametrize("command", [JOIN, LEAVE], ids=["join", "leave"])
@pytest.mark.parametrize("late", [False, True], ids=["refused", "answer lost"])
def test_a_call_that_fails_is_nothing_to_others(
    tmp_path: Path, command: Callable[[Tenant], object], *, late: bool
) -> None:
    """Whatever the command says of it; the next ones put it right."""
    for skip in range(0, count_calls(tmp_path, command), 2 * STRIDE):
        blog, shop = open_both(tmp_path / str(skip), up=command is LEAVE)
        shop.engine.fail(Fault(skip=skip, late=late))
        with suppress(StackctlError):
            command(shop)
        bury(shop)
        assert blog.answers(), skip
        shop.up()
        assert (blog.answers(), shop.answers()) == (True, True), skip
        for each in (shop, blog):
            each.take_down()
        assert_nothing_is_left(blog)
