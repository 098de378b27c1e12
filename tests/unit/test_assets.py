"""Assets: whose files the gateway has, who gets them, for how long, and what it takes from an image."""

from __future__ import annotations

import hashlib
import io
import resource
import tarfile
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import CandidateError, EngineError, GatewayError
from orchestrator.events import AssetsStored, Warned
from orchestrator.gateway.edition import Content, Edition, Stored, parse_edition, to_text
from orchestrator.gateway.intake import MOST_FILES, Intake
from orchestrator.lifecycle.forecast import forecast
from tests.fakes.apps import App
from tests.fakes.assets import PLACE, found, with_assets
from tests.fakes.faults import Fault
from tests.fakes.world import World

if TYPE_CHECKING:
    from pathlib import Path

DAY = 86_400


def version(name: str, seen: int | None = None, size: int = 10, **files: str) -> Stored:
    """Return what is held of a version; each file is named by its content."""
    contents = {f"static/{path}.js": Content(text, size) for path, text in files.items()}
    return Stored(name, name, 0, seen, contents)


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack whose v1 serves; each version has a file of its own, and one that all have."""
    return with_assets(World(tmp_path)).begin()


def test_a_page_of_either_version_finds_its_files(world: World) -> None:
    """Clients of v2 get from the gateway what only v1 has, those of v1 what only v2 has."""
    assert world.deploy("v2").outcome == "deployed"

    assert found(world, "green") == {"static/v1.js": "v1"}
    assert found(world, "blue") == {"static/v2.js": "v2"}


def test_the_candidates_files_are_there_before_the_switch(world: World) -> None:
    """The move that brings users the candidate comes after them."""
    world.deploy("v2")

    told = [getattr(event, "move", event.kind) for event in world.events]
    moves = [place for place, what in enumerate(told) if str(what).endswith(".promote")]
    assert told.index("assets") < moves[0]


def test_what_is_there_is_not_copied_again(world: World) -> None:
    """A rollback asks its containers for nothing."""
    world.deploy("v2")
    world.engine.calls.clear()
    assert world.rollback().outcome == "deployed"

    assert [call.method for call in world.engine.calls if call.method == "fetch"] == []
    assert found(world, "blue") == {"static/v2.js": "v2"}
    stored = [event for event in world.events if isinstance(event, AssetsStored)]
    assert [event.copied for event in stored] == [True, False]


def test_files_go_once_their_time_is_over(world: World) -> None:
    """It begins when users no longer get the version; the versions of both colors stay."""
    world.deploy("v2")
    world.deploy("v3")
    assert found(world, "blue") == {"static/v1.js": "v1", "static/v2.js": "v2"}
    world.clock.sleep(3601)
    world.deploy("v4")

    assert found(world, "green") == {"static/v3.js": "v3"}
    disk, inside = world.host.box("shop-gateway").find(f"{PLACE}/files")
    kept = {disk.read(path) for path in disk.paths(inside)}
    assert kept == {"v3", "logo of v3", "v4", "logo of v4"}


def test_a_version_that_failed_leaves_no_files(world: World) -> None:
    """Nobody has a page of it; the next release finds only versions that users had."""
    world.host.habits.deaf_upstreams = True
    assert world.deploy("v2").outcome == "reverted"
    world.host.habits.deaf_upstreams = False
    assert world.deploy("v3").outcome == "deployed"

    assert found(world, "green") == {"static/v1.js": "v1"}


def test_a_version_from_before_assets_were_wished_for_has_none(tmp_path: Path) -> None:
    """It has no such folder: users get all from its app, and the release goes on with a warning."""
    world = World(tmp_path).begin()
    with_assets(world)
    assert world.deploy("v2").outcome == "deployed"

    warnings = [event.text for event in world.events if isinstance(event, Warned)]
    assert warnings == ["assets of v1 are not kept: `assets`: v1 has no folder `/app/static`"]
    assert (found(world, "blue"), found(world, "green")) == ({}, {})


def test_the_first_release_with_assets_has_those_of_the_version_before(tmp_path: Path) -> None:
    """They are in its containers, which still run."""
    world = with_assets(World(tmp_path))
    assets = world.notes.pop("assets")
    world.begin()
    world.notes["assets"] = assets
    assert world.deploy("v2").outcome == "deployed"

    assert found(world, "green") == {"static/v1.js": "v1"}


def test_a_candidate_without_the_folder_is_not_promoted(world: World) -> None:
    """One line says which folder, and a hint where it is named."""
    world.host.apps["v2"] = App()
    result = world.deploy("v2")

    assert (result.outcome, world.serving()) == ("reverted", {"v1"})
    assert result.error is not None
    assert result.error.message == "`assets`: v2 has no folder `/app/static`"
    assert "`from`" in (result.error.hint or "")


@pytest.mark.parametrize("method", ["fetch", "write", "read"])
def test_a_full_disk_fails_a_release_and_no_user(world: World, method: str) -> None:
    """What cannot be copied is told before the switch; the next release finds all in order."""
    on = "notes-green" if method == "fetch" else "gateway"
    world.engine.fail(Fault(method, on, error=lambda: EngineError("no space left on device")))
    result = world.deploy("v2")

    assert (result.outcome, world.serving()) == ("reverted", {"v1"})
    assert result.error is not None
    assert "no space left on device" in result.error.message
    assert world.deploy("v2").outcome == "deployed"
    assert found(world, "green") == {"static/v1.js": "v1"}


def test_what_was_cut_while_it_was_written_is_written_again(world: World) -> None:
    """A command that dies in a write leaves less than a file: that is not taken for one."""
    disk, inside = world.host.box("shop-gateway").find(f"{PLACE}/files")
    cut = hashlib.sha256(b"v2").hexdigest()
    disk.put(f"{inside}/{cut}", "v")
    world.deploy("v2")
    assert found(world, "blue") == {"static/v2.js": "v2"}


def test_what_users_had_last_stays_longest() -> None:
    """The oldest go first where there is no room; what nobody had goes at once."""
    edition = Edition(
        (
            version("v1", seen=1, a="1"),
            version("v2", seen=2, b="2"),
            version("failed", None, c="3"),
            version("v3", seen=3, d="4"),
            version("v4", e="5"),
        ),
        {"blue": "v3", "green": "v4"},
    )
    assert [one.id for one in edition.thin(3, 3600, 30).versions] == ["v2", "v3", "v4"]
    assert [one.id for one in edition.thin(3, 3600, 40).versions] == ["v1", "v2", "v3", "v4"]
    assert [one.id for one in edition.thin(10, 7.5, 40).versions] == ["v3", "v4"]
    assert [one.id for one in edition.thin(9 * DAY, 1, 1).versions] == ["v3", "v4"]


def test_a_content_that_versions_share_counts_once() -> None:
    """Most files of a version are those of the version before."""
    edition = Edition(
        (version("v1", seen=1, a="1", b="2"), version("v2", a="1", b="2")), {"blue": "v2"}
    )
    assert len(edition.thin(1, 3600, 20).versions) == 2


def test_the_latest_of_two_files_of_a_name_is_found() -> None:
    """And the one of a client's own version never comes from the gateway."""
    edition = Edition(
        (
            version("v1", seen=1, same="1", own="1"),
            version("v2", seen=2, same="2"),
            version("v3", own="3"),
        ),
        {"blue": "v3"},
    )
    assert edition.links("blue") == {"static/same.js": Content("2", 10)}
    assert edition.links("green") == {}


def test_a_name_is_a_file_or_a_folder_as_the_later_version_has_it() -> None:
    """Both at once no disk can hold."""
    file, folder = {"a": Content("1", 1)}, {"a/b": Content("2", 1)}
    for older, newer in ((file, folder), (folder, file)):
        edition = Edition(
            (Stored("v1", "v1", 0, 1, older), Stored("v2", "v2", 0, 2, newer), version("v3")),
            {"blue": "v3"},
        )
        assert edition.links("blue") == newer


def test_an_edition_is_read_as_it_was_written() -> None:
    """What is none is none, whatever it holds."""
    edition = Edition((version("v1", seen=1, a="1"), version("v2", b="2")), {"blue": "v1"})
    assert parse_edition(to_text(edition)) == edition
    for text in ("", "{", "[]", "7", '{"versions": [7], "colors": {}}', '{"versions": []}'):
        assert parse_edition(text) is None


def pack(*members: tuple[str, bytes | str | None]) -> bytes:
    """Return an archive of files (bytes), links (text) and devices."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            if isinstance(content, str):
                hard = content.startswith("=")
                member.type = tarfile.LNKTYPE if hard else tarfile.SYMTYPE
                member.linkname = content.removeprefix("=")
            elif content is None:
                member.type = tarfile.CHRTYPE
            else:
                member.size = len(content)
            archive.addfile(member, io.BytesIO(content if isinstance(content, bytes) else b""))
    return buffer.getvalue()


def test_only_files_are_taken_out_of_a_folder() -> None:
    """No link, no device, nothing hidden, and no name that leads out of it."""
    archive = pack(
        ("./a.js", b"a"),
        ("./js/b c.js", b"b"),
        ("./second.js", "=./a.js"),
        ("./hidden/../../up.js", b"no"),
        ("../up.js", b"no"),
        ("/etc/passwd", b"no"),
        ("./.env", b"no"),
        ("./.git/config", b"no"),
        ("./new\nline", b"no"),
        ("./out", "/etc/passwd"),
        ("./elsewhere", "=/etc/passwd"),
        ("./device", None),
    )
    with Intake("/static/", 100) as intake:
        intake.take([archive[:700], archive[700:]])
        assert [*intake.files] == ["static/a.js", "static/js/b c.js", "static/second.js"]
        assert intake.read(intake.files["static/second.js"].hash) == b"a"
        assert intake.read(intake.files["static/js/b c.js"].hash) == b"b"
        assert intake.left_out == 3


def test_too_much_is_told() -> None:
    """Bytes, files, and an archive that never ends."""
    endless = (b"\0" * 1024**2 for _ in iter(int, 1))
    many = pack(*((f"./{number}", b"") for number in range(MOST_FILES + 1)))
    for pieces, told in (
        ([pack(("a", b"12345"), ("b", b"678901"))], "the files have more than 10"),
        ([many], "more than 20,000 files"),
        (endless, "the files have more than 10"),
    ):
        with Intake("/static/", 10) as intake, pytest.raises(CandidateError, match=told):
            intake.take(pieces)
    with Intake("/", 10) as intake, pytest.raises(EngineError, match="is no archive"):
        intake.take([b"what is this" * 100])


def test_prune_removes_what_is_over(world: World) -> None:
    """And all of a service that has no assets any more; it says whose, and does nothing twice."""
    world.deploy("v2")
    world.deploy("v3")
    assert world.prune().assets == ()
    assert found(world, "blue") == {"static/v1.js": "v1", "static/v2.js": "v2"}
    world.clock.sleep(3601)

    assert world.prune().assets == ("notes v1",)
    assert found(world, "blue") == {"static/v2.js": "v2"}
    del world.notes["assets"]
    assert [world.prune().assets for _ in range(2)] == [("notes",), ()]
    assert found(world, "blue") == {}


def test_status_tells_until_when_files_stay(world: World) -> None:
    """Those of both colors as long as they are there."""
    assert [one.versions for one in world.status().assets] == [{"v1": None}]
    world.deploy("v2")
    over = f"{world.clock.now() + timedelta(hours=1):%Y-%m-%d %H:%M}"
    world.deploy("v3")

    (status,) = world.status().assets
    assert status.versions.keys() == {"v1", "v2", "v3"}
    assert (status.versions["v2"], status.versions["v3"]) == (None, None)
    assert str(status.versions["v1"]) <= over
    size = sum(len(name) + len(f"logo of {name}") for name in ("v1", "v2", "v3"))
    assert status.size == size
    assert status.told.startswith(f"assets of notes: {size} bytes; of v1 until 20")


def test_a_plan_tells_that_files_are_kept(world: World) -> None:
    """In the phase in which a missing folder would end the release."""
    world.deploy("v2")
    (planned,) = forecast(world.house, "notes", "v1").services
    assert [step for step in planned.steps if "/app/static" in step] == [
        "preview: keep what /app/static has, for pages that ask for /static/"
    ]


def test_a_full_disk_of_this_machine_is_told() -> None:
    """Where a copy lies until the gateway has it."""
    with Intake("/static/", 1000) as intake, pytest.raises(GatewayError, match="File too large"):
        take_without_room(intake, b"a" * 1001)


def take_without_room(intake: Intake, content: bytes) -> None:
    """Take an archive where no file may be as large."""
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(content) - 1, limit[1]))
    try:
        intake.take([content])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
