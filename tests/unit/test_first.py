"""The first pipeline of a stack: one command brings it up, with the version that it was given."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import ConfigurationError
from orchestrator.events import Warned
from orchestrator.lifecycle.first import deploy_or_bring_up
from orchestrator.release.plan import Order
from tests.fakes.apps import App
from tests.fakes.units import UnitWorld
from tests.fakes.world import open_pair

if TYPE_CHECKING:
    from pathlib import Path

WEB = Order("web", "v7")


def test_a_stack_that_is_not_there_is_brought_up_with_the_release(tmp_path: Path) -> None:
    """Gateway, database and what the service needs come first, at the versions of stack.yaml."""
    world = open_pair(tmp_path)
    own, everything = deploy_or_bring_up(world.house, WEB)

    first = next(event for event in world.events if isinstance(event, Warned))
    assert first.text == (
        "the gateway is not there on box at unix:///fake.sock, Docker 29.1.2:"
        " the stack is brought up with this release"
    )
    assert (own.service, own.outcome, own.version) == ("web", "deployed", "v7")
    assert [(one.service, one.version, one.outcome) for one in everything] == [
        ("notes", "v1", "deployed"),
        ("web", "v7", "deployed"),
    ]
    assert (world.serving("web"), world.serving()) == ({"v7"}, {"v1"})
    assert world.states()["db"] == "running"
    assert world.evidence(own)["what"]["command"] == "deploy"


def test_a_stack_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    """It is a release as any other: nothing else is put right, and nobody else released."""
    world = open_pair(tmp_path)
    deploy_or_bring_up(world.house, WEB)
    world.notes["env"] = {"A": "1"}
    world.engine.remove("shop-db")
    world.changes()
    own, everything = deploy_or_bring_up(world.house, Order("web", "v8"))

    assert (own.outcome, own.previous, everything) == ("deployed", "v7", (own,))
    assert not any("notes" in what or "db" in what for _, what in world.changes())


def test_what_a_first_pipeline_could_not_bring_up_the_next_one_does(tmp_path: Path) -> None:
    """The failure of what the service needs is the result; the service has had no turn."""
    world = open_pair(tmp_path)
    world.host.apps["v1"] = App(crashes=True)
    own, everything = deploy_or_bring_up(world.house, WEB)
    assert (own.service, own.exit_code, everything) == ("notes", 1, (own,))
    assert world.serving("web") == set()

    del world.host.apps["v1"]
    own, (notes, _) = deploy_or_bring_up(world.house, Order("web", "v8"))
    assert (own.service, own.outcome, notes.outcome) == ("web", "deployed", "deployed")
    assert (world.serving("web"), world.serving()) == ({"v8"}, {"v1"})


def test_those_that_go_with_it_get_its_version(tmp_path: Path) -> None:
    """On their first day as well."""
    world = UnitWorld(tmp_path / "unit")
    own, everything = deploy_or_bring_up(world.house, Order("notes", "v5"))

    assert own.service == "notes"
    assert everything[0] is own
    assert {one.service for one in everything[1:]} == {"jobs", "clock"}
    assert world.find_version() == "v5"


def test_a_service_that_is_not_known_brings_nothing_up(tmp_path: Path) -> None:
    """Nor one that is released by another's name."""
    world = UnitWorld(tmp_path / "unit")
    for name in ("nobody", "jobs"):
        with pytest.raises(ConfigurationError):
            deploy_or_bring_up(world.house, Order(name, "v5"))
    assert world.states() == {}
