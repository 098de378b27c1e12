"""Folders and files that a checkout may bring: no command is led astray or stopped by them."""

from __future__ import annotations

import json
import os
import stat
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.bench.archive import Archive
from orchestrator.catalogue.index import write_catalogue
from orchestrator.errors import ConfigurationError, StackctlError
from orchestrator.events import Warned
from orchestrator.evidence.archive import INDEX, write_index
from orchestrator.evidence.audit import Audit
from tests.fakes.benches import START, make_document
from tests.fakes.planted import KINDS, keeping, plant
from tests.fakes.releases import Releases
from tests.fakes.world import World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def precious(tmp_path: Path) -> Iterator[Path]:
    """Yield a file that lies outside of `reports/`; it must be as it was at the end."""
    with keeping(tmp_path) as file:
        yield file


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack that serves v1."""
    return World(tmp_path).begin()


def mode(path: Path) -> int:
    """Return the rights to a file or folder."""
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("name", ["events.jsonl", "witness.jsonl", "nginx.diff"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_folder_that_was_planted_stops_no_command(
    world: World, precious: Path, name: str, kind: str
) -> None:
    """One warning names it, it stays as it is, and `evidence verify` judges it."""
    folder = Releases(world.folder).leave_killed()
    (folder / name).unlink(missing_ok=True)
    plant(folder / name, kind, precious)
    before = {path.name: path.lstat() for path in folder.iterdir() if path.name != "witness.jsonl"}
    world.prune()
    assert world.deploy("v2").outcome == "deployed"
    world.rollback()
    world.up()
    told = [event.text for event in world.events if isinstance(event, Warned)]
    if (name, kind) == ("nginx.diff", "folder"):  # an empty folder holds nothing to be read
        assert told == []
        return
    assert len(told) == 4, told
    assert all(folder.name in text and "evidence verify" in text for text in told)
    after = {path.name: path.lstat() for path in folder.iterdir() if path.name != "witness.jsonl"}
    assert after.keys() == before.keys()
    assert Audit(folder.parent).check_one(folder.name).state == "broken"
    world.take_down()


@pytest.mark.parametrize("place", ["reports", "reports/releases"])
def test_a_release_is_not_written_through_a_link(
    tmp_path: Path, precious: Path, place: str
) -> None:
    """It does not start: it would leave no evidence."""
    world = World(tmp_path)
    (world.folder / place).parent.mkdir(exist_ok=True, parents=True)
    (world.folder / place).symlink_to(precious.parent)
    with pytest.raises(StackctlError, match="is a link"):
        world.up()


STARTED = {
    "at": "2030-01-01T00:00:00.000+00:00",
    "event": "started",
    "command": "deploy",
    "service": "web",
    "version": "v9",
    "operator": "ann",
    "host": "box",
    "ci": "",
}


def to_lines(*events: Any) -> bytes:
    """Return events as a file holds them."""
    return "".join(json.dumps(event) + "\n" for event in events).encode()


def whole(**changes: Any) -> dict[str, Any]:
    """Return the first event of a release with some of its fields changed."""
    return {**STARTED, "release": "20290101-000000-web-v9", **changes}


BROKEN = {
    "lacks fields": to_lines({"at": STARTED["at"], "event": "started"}),
    "no start": to_lines(whole(event="planned")),
    "no time": to_lines(whole(at="yesterday")),
    "no text": to_lines(whole(at=5)),
    "two kinds of time": to_lines(whole(), {"at": "2030-01-01T00:00:01", "event": "x"}),
    "another release": to_lines(whole(release="20290101-000000-web-v8")),
    "no version": to_lines(whole(version=None)),
    "a probe without fields": to_lines(whole(), {"at": STARTED["at"], "event": "probe"}),
    "no JSON": b"root:x:0:0:root:/root:/bin/sh\n",
    "no line": b"a key, or whatever somebody calls so",
    "no object": to_lines([], 1),
    "too deep": b"[" * 5000 + b"\n",
    "no events": b"\0" * 100,
}


@pytest.mark.parametrize("content", BROKEN.values(), ids=BROKEN)
def test_events_that_no_release_has_left_stop_no_command(world: World, content: bytes) -> None:
    """One warning names their folder, not a byte of it is changed, and the others are closed."""
    folder = world.house.releases / "20290101-000000-web-v9"
    folder.mkdir()
    (folder / "events.jsonl").write_bytes(content)
    dead = Releases(world.folder).leave_killed()
    world.prune()
    assert world.deploy("v2").outcome == "deployed"
    told = [event.text for event in world.events if isinstance(event, Warned)]
    assert len(told) == 2, told
    assert all(folder.name in text and "evidence verify" in text for text in told)
    assert (folder / "events.jsonl").read_bytes() == content
    assert world.evidence_of(dead.name)["outcome"] == "interrupted"
    world.take_down()


@pytest.mark.parametrize("kind", KINDS[:-1])
@pytest.mark.parametrize("name", ["index.html", INDEX])
def test_the_lists_of_releases_replace_what_has_their_name(
    tmp_path: Path, precious: Path, name: str, kind: str
) -> None:
    """What was planted there is neither read nor followed."""
    releases = Releases(tmp_path)
    folder = releases.leave("v2")
    page = releases.folder.parent / name
    page.unlink()
    plant(page, kind, precious)
    write_index(releases.folder)
    write_catalogue(releases.folder.parent)
    assert not page.is_symlink()
    assert folder.name in page.read_text()


@pytest.mark.parametrize("kind", KINDS)
def test_a_load_test_that_was_planted_is_passed_over(
    tmp_path: Path, precious: Path, kind: str
) -> None:
    """Its figures, a baseline, the newest report, and the folder of all of them."""
    archive = Archive(tmp_path)
    for place in ("bench/20300101-000000-notes/bench.json", "bench/baselines/notes/main.json"):
        path = tmp_path / "reports" / place
        path.parent.mkdir(parents=True)
        plant(path, kind, precious)
    plant(tmp_path / "reports" / "k6-notes-report.md", kind, precious)
    assert archive.find_previous("notes", "3") is None
    assert archive.read_adjustments("notes") is None
    with pytest.raises(ConfigurationError, match="no baseline"):
        archive.read_baseline("notes", "main")
    if kind != "folder":
        archive.save_baseline("notes", "main", make_document())
        archive.write_newest("notes", "page")
    (tmp_path / "reports" / "bench").rename(tmp_path / "aside")
    (tmp_path / "reports" / "bench").symlink_to(precious.parent)
    with pytest.raises(StackctlError, match="is a link"):
        archive.open("notes", START)
    with pytest.raises(StackctlError, match="is a link"):
        archive.save_baseline("notes", "main", {})


def test_evidence_is_private_and_its_lists_are_not(tmp_path: Path) -> None:
    """A release's files hold what its containers printed; a web server may show what lists them."""
    before = os.umask(0o022)
    try:
        folder = Releases(tmp_path).leave("v2")
        load = Archive(tmp_path).open("notes", START)
        Archive(tmp_path).save_baseline("notes", "main", make_document())
    finally:
        os.umask(before)
    assert {mode(folder), mode(load)} == {0o700}
    assert {path.name: mode(path) for path in folder.iterdir() if mode(path) != 0o600} == {}
    reports = tmp_path / "reports"
    public = (reports / "index.html", reports / INDEX, reports / "bench/baselines/notes/main.json")
    assert [mode(path) for path in public] == [0o644] * 3
    assert {mode(path.parent) for path in public} | {mode(reports / "releases")} == {0o755}
