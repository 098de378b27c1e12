"""Migrations: once, before the first container of the new version, and never a reason to go down."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from orchestrator.release.phases import Phase
from orchestrator.stack import naming
from tests.fakes.apps import App
from tests.fakes.world import World

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.engine.values import ContainerSpec

MIGRATION = "notes-migration"
BLUE = {"notes-blue-1": "running", "notes-blue-2": "running"}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack that serves v1."""
    return World(tmp_path).begin()


def started(world: World) -> list[str]:
    """Return the containers that were started since the last look, in their order."""
    return [name for what, name in world.changes() if what == "start"]


def test_a_migration_ends_before_the_first_replica_starts(world: World) -> None:
    """It is one container, and gone afterwards."""
    result = world.deploy("v2")

    assert result.outcome == "deployed"
    first, *replicas = started(world)
    assert first == MIGRATION
    assert sorted(replicas) == ["notes-green-1", "notes-green-2"]
    assert MIGRATION not in world.states()
    assert Phase.MIGRATE in result.seconds


def test_it_runs_as_the_replicas_do(world: World) -> None:
    """The image, the environment, the secrets and the limits are the new version's."""
    world.notes["env"] = {"COLOR": "red"}
    world.host.apps["migrate"] = App(ends=1)
    specs: list[ContainerSpec] = []
    world.hooks.append(lambda _: specs.extend(box.spec for box in world.host.boxes.values()))
    world.deploy("v2")

    spec = next(spec for spec in specs if spec.name.endswith(MIGRATION))
    assert spec.environment == {"COLOR": "red"}
    assert (spec.entrypoint, spec.persistent, spec.network) == (("migrate",), False, "shop-net")
    assert spec.init
    assert spec.command == ()  # nor are these arguments of the image's own program
    assert spec.labels[naming.VERSION] == "v2"


def test_one_that_fails_leaves_the_active_version(world: World) -> None:
    """Its last words are shown; no replica of the new version ever started."""
    world.host.apps["migrate"] = App(ends=3, prints=("relation users does not exist",))
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert result.error is not None
    assert result.error.message == "the migration ended with exit code 3"
    assert "relation users does not exist" in result.logs
    assert world.serving() == {"v1"}
    assert world.states() == {"gateway": "running", **BLUE}
    assert started(world) == [MIGRATION]
    assert world.evidence(result)["failure"]["phase"] == "migrate"


def test_one_that_does_not_end_is_given_up(world: World) -> None:
    """After its deadline it is removed."""
    world.notes["migrate"] = {"command": ["migrate"], "deadline": "30s"}
    world.host.apps["migrate"] = App()
    result = world.deploy("v2")

    assert result.error is not None
    assert result.error.message == "the migration did not end within 30 s"
    assert world.states() == {"gateway": "running", **BLUE}


def test_what_a_dead_release_left_is_removed_first(world: World) -> None:
    """A migration that nobody waits for any more is not in the way of the next."""
    spec = replace(
        next(iter(world.host.boxes.values())).spec,
        name="shop-notes-migration",
        labels=naming.labels("shop", "migration", service="notes", release="dead"),
        ports=(),
    )
    left = world.engine.run(spec)

    assert world.deploy("v2").outcome == "deployed"
    assert left not in world.host.boxes


def test_a_rollback_to_kept_containers_migrates_nothing(world: World) -> None:
    """They ran on this database before."""
    world.deploy("v2")
    world.changes()

    assert world.rollback().outcome == "deployed"
    assert MIGRATION not in started(world)


def test_a_service_without_migration_has_no_such_phase(world: World) -> None:
    """Nothing is run, and nothing is reported."""
    del world.notes["migrate"]
    result = world.deploy("v2")

    assert Phase.MIGRATE not in result.seconds
    assert MIGRATION not in started(world)


def test_a_database_that_has_the_migrations_name_is_left_alone(tmp_path: Path) -> None:
    """The release fails on the name; what was there before goes on."""
    world = World(tmp_path, accessories={MIGRATION: {"image": "mongo:8", "port": 8000}})
    del world.notes["migrate"]
    world.up()
    world.notes["migrate"] = ["migrate"]
    result = world.deploy("v2")

    assert (result.outcome, result.exit_code) == ("reverted", 1)
    assert result.error is not None
    assert "the name shop-notes-migration is in use" in result.error.message
    assert world.states()[MIGRATION] == "running"
    assert world.serving() == {"v1"}
