"""Backups: before a migration, whole or not at all, and never a reason to go down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import CandidateError, ConfigurationError, Interrupted, StackctlError
from orchestrator.evidence.audit import Audit
from orchestrator.release.backup import back_up
from orchestrator.release.beside import LOOK_EVERY
from orchestrator.release.phases import Phase
from tests.fakes.apps import App
from tests.fakes.disk import join
from tests.fakes.faults import Fault, listening, press
from tests.fakes.world import MONGO, NOTES, World

if TYPE_CHECKING:
    from pathlib import Path

DUMP = ["ls", "/data/db"]


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack whose service needs a database that is backed up."""
    world = World(
        tmp_path,
        services={"notes": {**NOTES, "needs": ["db"]}},
        accessories={"db": dict(MONGO), "cache": dict(MONGO, volumes=[])},
    )
    world.host.apps["mongo:8"] = App(port=27017)
    world.begin()
    disk, inside = world.host.box("shop-db").find("/data/db")
    disk.put(join(inside, "rows"), "3")
    world.document["accessories"]["db"]["backup"] = {"command": DUMP, "keep": 2}
    return world


def dumps(world: World) -> list[str]:
    """Return what lies in the folder of backups."""
    return sorted(path.name for path in (world.folder / "backups" / "db").glob("*"))


def test_a_release_keeps_the_data_before_it_migrates(world: World) -> None:
    """What the command printed, for nobody else to read; a rollback migrates nothing and keeps none."""
    world.on_end(Phase.MIGRATE, lambda: seen.extend(dumps(world)))
    seen: list[str] = []
    assert world.deploy("v2").outcome == "deployed"
    (name,) = seen
    file = world.folder / "backups" / "db" / name
    assert file.read_text().split() == ["rows"]
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert world.rollback().outcome == "deployed"
    assert dumps(world) == [name]


def test_the_evidence_names_what_was_kept(world: World) -> None:
    """Where the migration failed as well: there it is needed; a release that keeps nothing names nothing."""
    world.host.apps["migrate"] = App(ends=3)
    failed = world.deploy("v2")
    (name,) = dumps(world)
    evidence = world.evidence(failed)
    (backup,) = evidence["backups"]
    assert evidence["failure"]["reason"] == "the migration ended with exit code 3"
    assert {key: backup[key] for key in ("accessory", "file", "size")} == {
        "accessory": "db",
        "file": f"backups/db/{name}",
        "size": len("rows"),
    }
    assert backup["seconds"] >= 0
    page = world.house.releases / failed.release
    for each in ("evidence.md", "report.html"):
        assert f"backups/db/{name}" in (page / each).read_text()

    del world.document["accessories"]["db"]["backup"]
    del world.host.apps["migrate"]
    assert "backups" not in world.evidence(world.deploy("v2"))
    audit = Audit(world.house.releases)
    assert {finding.state for finding in audit.check_all()} == {"sound"}


def test_a_backup_that_fails_ends_the_release_before_the_migration(world: World) -> None:
    """Nothing is started, nothing is left, and the backups of before stay."""
    before = dumps(world)
    world.document["accessories"]["db"]["backup"]["command"] = ["ls", "/none"]
    world.changes()
    result = world.deploy("v2")
    assert result.error is not None
    assert "the backup of `db` ended with exit code 2" in result.error.message
    assert not [name for what, name in world.changes() if what == "start"]
    assert world.serving() == {"v1"}
    assert dumps(world) == before


def test_only_the_newest_are_kept(world: World) -> None:
    """Of those that are whole; what a killed one has begun goes, and nothing else."""
    folder = world.folder / "backups" / "db"
    folder.mkdir(parents=True)
    (folder / "20291231-000000-000000.dump.partial").touch()
    (folder / "1999.dump").touch()
    files = []
    for _ in range(4):
        files.append(back_up(world.house, "db").file.name)
        world.clock.sleep(1)
    assert dumps(world) == ["1999.dump", *files[2:]]


@pytest.mark.parametrize(
    ("command", "app", "seconds", "told"),
    [
        (["sleep", "600"], App(port=27017), 0, "within 60 s"),
        (["sleep", "600", "stubborn"], App(port=27017), 10, "within 60 s"),
        (["sleep", "600", "late"], App(port=27017), LOOK_EVERY, "within 60 s"),
        (["sleep", "600"], App(bare=True), 0, "within 60 s; it may run on in its container"),
    ],
    ids=["obedient", "stubborn", "yet to begin", "without a shell"],
)
def test_a_backup_whose_time_is_up_is_ended(
    world: World, command: list[str], app: App, seconds: float, told: str
) -> None:
    """In its container, as a job is; what it printed by then is no backup."""
    before = dumps(world)
    world.document["accessories"]["db"]["backup"] = {"command": command, "deadline": "60s"}
    world.host.box("shop-db").app = app
    begin = world.clock.monotonic()
    with pytest.raises(CandidateError) as caught:
        back_up(world.house, "db")
    assert caught.value.message == f"the backup of `db` did not end {told}"
    assert world.host.box("shop-db").at_work() == (["sleep"] if app.bare else [])
    assert world.clock.monotonic() - begin == pytest.approx(60 + seconds, abs=0.5)
    assert dumps(world) == before


def test_whoever_stops_a_backup_ends_it(world: World) -> None:
    """Ctrl-C does not leave it at work in its container."""
    world.document["accessories"]["db"]["backup"]["command"] = ["sleep", "600"]
    world.engine.fail(Fault("attend", late=True, error=press))
    with listening(), pytest.raises(Interrupted):
        back_up(world.house, "db")
    assert world.host.box("shop-db").at_work() == []
    assert dumps(world) == []


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["cat"], "printed nothing"),
        (["no-such-program"], "no-such-program"),
    ],
)
def test_what_is_no_backup_is_none(world: World, command: list[str], told: str) -> None:
    """An empty one is no backup."""
    before = dumps(world)
    world.document["accessories"]["db"]["backup"]["command"] = command
    with pytest.raises(StackctlError, match=told):
        back_up(world.house, "db")
    assert dumps(world) == before


def test_what_cannot_be_backed_up_is_said(world: World) -> None:
    """No such accessory, one without a `backup`, one that does not run, and a folder that is a link."""
    for name in ("cache", "other"):
        with pytest.raises(ConfigurationError, match=f"`{name}` has no `backup`.*`db` has one"):
            back_up(world.house, name)
    world.engine.fail(Fault("attend", error=lambda: OSError(28, "no space left")))
    with pytest.raises(StackctlError, match="cannot be written: no space left"):
        back_up(world.house, "db")
    world.engine.stop("shop-db", 0)
    with pytest.raises(StackctlError, match="does not run"):
        back_up(world.house, "db")
    world.engine.start("shop-db")
    (world.folder / "elsewhere").mkdir()
    (world.folder / "other").symlink_to(world.folder / "elsewhere")
    world.document["accessories"]["db"]["backup"]["folder"] = "other"
    with pytest.raises(StackctlError, match="is a link"):
        back_up(world.house, "db")
    assert list((world.folder / "elsewhere").iterdir()) == []
