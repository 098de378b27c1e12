"""What `plan` says of a release: first what changes for people, then the steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.lifecycle.forecast import forecast
from orchestrator.wording import describe_forecast
from tests.fakes.world import World

if TYPE_CHECKING:
    from pathlib import Path

ENGINE = "engine: box at unix:///fake.sock, Docker 29.1.2"
VALUE, SECRET = "a-value-of-nobody", "a-secret-of-nobody"


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack that serves v1 with a variable."""
    world = World(tmp_path)
    world.notes["env"] = {"MODE": VALUE, "OLD": "1"}
    return world.begin()


def changes_of(world: World, version: str | None = None) -> list[str]:
    """Return what a release would change, without its image: each build has another."""
    (found,) = forecast(world.house, "notes", version).services
    return [line for line in found.changes if not line.startswith("image")]


@pytest.mark.parametrize(
    ("key", "value", "lines"),
    [
        ("env", {"MODE": VALUE, "OLD": "1", "NEW": VALUE}, ["env       NEW added"]),
        ("env", {"MODE": VALUE}, ["env       OLD removed"]),
        ("env", {"MODE": "b", "OLD": "1"}, ["env       MODE changed"]),
        ("secrets", ["WORD"], ["env       WORD added"]),
        ("resources", {"memory": "1g"}, ["memory    512m -> 1024m"]),
        ("resources", {"cpus": 2}, ["cpus      1 -> 2"]),
        ("resources", {"pids": 9}, ["pids      512 -> 9"]),
        (
            "read_only",
            True,
            ["settings  others than the containers that serve were made with"],
        ),
    ],
)
def test_a_changed_setting_is_told_by_its_name(
    world: World, key: str, value: object, lines: list[str]
) -> None:
    """In a line of its own; no value of a variable is shown."""
    world.variables["WORD"] = SECRET
    world.notes[key] = value
    assert changes_of(world) == lines
    told = describe_forecast(forecast(world.house, "notes", None), diff=True)
    assert VALUE not in told
    assert SECRET not in told


def test_more_replicas_and_other_routes_are_changes(world: World) -> None:
    """The config of NGINX changes with them."""
    world.notes["replicas"] = 3
    world.notes["routes"] = [{"path": "/notes/"}]
    assert changes_of(world, "v2") == [
        "version   v1 -> v2",
        "replicas  2 -> 3",
        "routes    /notes/ added",
        "gateway   takes up another NGINX config: see `--diff`",
    ]


def test_the_first_words_are_of_people(world: World) -> None:
    """What changes, then the steps; the NGINX diff only where it is asked for."""
    world.notes["routes"] = [{"path": "/notes/"}]
    found = forecast(world.house, "notes", "v2")
    place, head, version, image, *_ = describe_forecast(found).splitlines()

    assert place == ENGINE
    assert head == "notes v2 would be released, this changes:"
    assert (version, image) == ("  version   v1 -> v2", "  image     not built yet")
    assert "+++ after the release" not in describe_forecast(found)
    assert "+++ after the release" in describe_forecast(found, diff=True)
    assert max(map(len, describe_forecast(found).splitlines())) < 80


def test_a_service_as_it_is_has_one_line(world: World) -> None:
    """Nothing would change: no list of nothings."""
    assert describe_forecast(forecast(world.house, None, None)) == (
        f"{ENGINE}\nnotes v1: nothing would change\n"
    )


def test_a_first_release_says_so(world: World) -> None:
    """There is nothing to compare with."""
    world.document["services"]["web"] = {**world.notes, "routes": [{"path": "/"}]}
    told: Any = forecast(world.house, "web", None)
    assert told.services[0].changes[0] == "version   v1, the first release"
    assert "web v1 would be released: nothing serves yet\n" in describe_forecast(told)
