"""What a release leaves behind: files that tell what was done and what users saw."""

from __future__ import annotations

import hashlib
import json
import resource
import shutil
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.edition import find_edition
from orchestrator.errors import ConfigurationError, StackctlError
from orchestrator.events import Ended, Started
from orchestrator.evidence.archive import find_release, read_releases, write_index
from orchestrator.evidence.audit import Audit
from orchestrator.evidence.closing import close_record, to_document
from orchestrator.evidence.notes import Note
from orchestrator.evidence.record import Record, write_whole
from orchestrator.evidence.samples import Sample
from orchestrator.gateway.lane import parse_lane
from orchestrator.release.phases import Phase
from tests.fakes.apps import App
from tests.fakes.clock import FakeClock
from tests.fakes.faults import Fault
from tests.fakes.releases import Releases
from tests.fakes.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from orchestrator.release.result import Result

FILES = {
    "events.jsonl",
    "witness.jsonl",
    "evidence.json",
    "evidence.md",
    "report.html",
    "seal.json",
    "nginx.before.conf",
    "nginx.after.conf",
    "nginx.diff",
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack that serves v1."""
    world = World(tmp_path)
    world.up()
    world.clock.sleep(60)
    return world


def folder(world: World, result: Result) -> Path:
    """Return where a release has left its evidence."""
    assert result.evidence is not None
    return world.folder / result.evidence


def events(world: World, result: Result) -> list[Any]:
    """Return what events.jsonl holds."""
    lines = (folder(world, result) / "events.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_a_release_leaves_its_evidence(world: World) -> None:
    """All files, and none half-written beside them."""
    left = {path.name for path in folder(world, world.deploy("v2")).iterdir()}

    assert left >= FILES
    assert not [name for name in left if name.startswith(".")]


def test_the_events_tell_the_release_in_order(world: World) -> None:
    """From its start to its end, each with the time; every phase begins before it ends."""
    told = events(world, world.deploy("v2"))

    assert [told[0]["event"], told[1]["event"], told[-1]["event"]] == ["begun", "started", "ended"]
    assert [event["at"] for event in told] == sorted(event["at"] for event in told)
    phases = [phase for phase in Phase if phase is not Phase.CONFIGURE]  # nothing has changed
    assert [e["phase"] for e in told if e["event"] == "phase"] == phases
    assert [e["phase"] for e in told if e["event"] == "phase_done"] == phases


def test_the_evidence_has_the_promised_facts(world: World) -> None:
    """Who, when, what, the image, the containers, the gate, the moves, the drain, the verdict."""
    result = world.deploy("v2")
    facts = world.evidence(result)

    assert (facts["schema"], facts["release"], facts["outcome"]) == (8, result.release, "deployed")
    assert facts["what"] == {
        "command": "deploy",
        "service": "notes",
        "version": "v2",
        "color": "green",
        "previous": "v1",
    }
    assert set(facts["who"]) == {"operator", "host", "ci", "stackctl"}
    assert facts["who"]["stackctl"] == find_edition()
    for page in ("evidence.md", "report.html"):
        assert f", stackctl {find_edition()}" in (folder(world, result) / page).read_text()
    assert facts["when"]["started"] < facts["when"]["ended"]
    assert facts["image"]["digest"] == world.host.shelf.find("shop-notes:v2").id
    running = {box.spec.name: box.id for box in world.host.boxes.values() if box.version == "v2"}
    assert {r["name"]: r["container"] for r in facts["replicas"]} == running
    phases = [phase for phase in Phase if phase is not Phase.CONFIGURE]
    assert [phase["phase"] for phase in facts["phases"]] == phases
    assert {probe["replica"] for probe in facts["gate"]} == running.keys()
    assert facts["configs"] == []
    assert [(m["move"].rpartition(".")[2], m["step"], m["green"]) for m in facts["moves"]] == [
        ("stage", "staged", 0),
        ("promote", "promoted", 100),
        ("retire", "settled", 100),
    ]
    assert facts["drain"]["cut"] == 0
    assert (facts["failure"], facts["undone"], facts["warnings"]) == (None, None, [])


def test_hashes_let_anybody_check_the_files(world: World) -> None:
    """Each file that is named has the SHA-256 that is given for it."""
    result = world.deploy("v2")
    hashes = world.evidence(result)["files"]

    assert set(hashes) >= {"events.jsonl", "nginx.before.conf", "nginx.after.conf", "nginx.diff"}
    for name, digest in hashes.items():
        content = (folder(world, result) / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == digest, name


def test_the_lane_before_and_after_says_how_the_traffic_moved(world: World) -> None:
    """The config is the same: NGINX was not touched."""
    left = folder(world, world.deploy("v2"))
    before, after = (
        parse_lane((left / f"lane.{when}.json").read_text()) for when in ("before", "after")
    )

    assert before is not None
    assert after is not None
    assert (before.active, after.kept) == (after.kept, before.active)
    assert after.active is not None
    assert (after.active.color, after.active.version) == ("green", "v2")
    assert (left / "nginx.before.conf").read_text() == (left / "nginx.after.conf").read_text()
    assert (left / "nginx.diff").read_text() == ""


def test_the_configs_before_and_after_are_those_that_served(world: World) -> None:
    """A release that needed another one shows what was changed in it."""
    assert world.host.nginx is not None
    before = world.host.nginx.text
    world.notes["port"] = 9000
    world.host.apps["v2"] = App(port=9000)
    result = world.deploy("v2")
    left = folder(world, result)

    assert result.outcome == "deployed", result.error
    assert (left / "nginx.before.conf").read_text() == before
    assert (left / "nginx.after.conf").read_text() == world.host.nginx.text
    diff = (left / "nginx.diff").read_text()
    assert [line for line in diff.splitlines() if line.startswith("-        server ")]
    assert len(world.evidence(result)["configs"]) == 1


def test_a_failed_release_leaves_its_evidence_too(world: World) -> None:
    """Phase, reason, the candidate's last words; the config after is the one before."""
    world.host.apps["v2"] = App(crashes=True, prints=("Traceback: no module named db",))
    result = world.deploy("v2")
    facts = world.evidence(result)

    assert facts["failure"]["phase"] == "gate"
    assert "no module named db" in facts["failure"]["logs"]
    assert facts["undone"]["text"] == "the candidate was removed"
    left = folder(world, result)
    assert (left / "nginx.after.conf").read_text() == (left / "nginx.before.conf").read_text()
    page = (left / "evidence.md").read_text()
    assert "## Why it failed" in page
    assert "no module named db" in page


def test_a_release_that_fails_before_its_plan_has_no_configs(world: World) -> None:
    """What was never looked at is not shown."""
    (world.folder / "notes" / "Dockerfile").unlink()
    left = {path.name for path in folder(world, world.deploy("v2")).iterdir()}

    assert "evidence.json" in left
    assert "nginx.diff" not in left


def test_real_traffic_is_counted_from_the_gateways_log(world: World) -> None:
    """Only from the release's own time, and without the witness's requests."""
    entry = {"target": "notes_blue", "status": "200", "version": "v1", "witness": ""}
    entry |= {"time": f"{world.clock.now().timestamp() + 0.1:.3f}", "seconds": "0.025"}
    gateway = world.host.box("shop-gateway")
    gateway.printed.append((0.0, json.dumps(entry)))
    now = world.clock.now().timestamp() + 0.1
    gateway.printed += [(now, json.dumps(entry)), (now, json.dumps(entry | {"status": "502"}))]
    traffic = world.evidence(world.deploy("v2"))["traffic"]

    assert (traffic["requests"], traffic["failed"]) == (2, 1)
    assert traffic["versions"] == {"v1": {"2xx": 1, "5xx": 1}}
    columns = traffic["series"]["versions"]["v1"]
    assert (columns["requests"][0], columns["failed"][0], columns["p95_ms"][0]) == (2, 1, 25.0)


def test_a_log_that_cannot_be_read_leaves_the_rest_of_the_evidence(world: World) -> None:
    """A missing figure is no reason to lose the record."""
    world.engine.fail(Fault("logs"))

    assert world.evidence(world.deploy("v2"))["traffic"] is None


def test_two_releases_in_one_second_have_two_folders(tmp_path: Path) -> None:
    """The second one gets a number."""
    clock = FakeClock()
    records = [Record.begin(tmp_path, "notes", "v1", clock) for _ in range(2)]
    for record in records:
        record.close()

    base = "20300101-000000-notes-v1"
    assert [record.release for record in records] == [base, f"{base}-2"]


def test_a_record_that_cannot_be_written_starts_no_release(tmp_path: Path) -> None:
    """No evidence, no release: the error says where."""
    (tmp_path / "reports").write_text("a file, no folder")
    with pytest.raises(StackctlError, match="no evidence can be written"):
        Record.begin(tmp_path / "reports" / "releases", "notes", "v1", FakeClock())


def test_a_page_that_cannot_be_drawn_is_a_warning(tmp_path: Path) -> None:
    """The evidence is there, sealed without the page, and whole in itself."""
    releases = Releases(tmp_path)
    record = Record.begin(releases.folder, "web", "v2", releases.clock)
    record.emit(Started(record.release, "deploy", "web", "v2", "ann", "box", ""))
    record.emit(Ended("deployed", 1.0))
    broken: dict[str, object] = {"requests": 0, "failed": 0, "versions": {"v2": None}}
    troubles = close_record(record, {}, broken, None, releases.clock)

    assert [text.partition(" ")[0] for text in troubles] == ["`evidence.md`", "`report.html`"]
    assert not (record.folder / "report.html").exists()
    assert [found.state for found in Audit(releases.folder).check_all()] == ["sound"]


def test_seals_are_signed_where_there_is_a_key(world: World) -> None:
    """It comes from the environment or `.env`, and stands nowhere in the evidence."""
    world.variables["STACKCTL_EVIDENCE_KEY"] = "much too secret"
    left = folder(world, world.deploy("v2"))

    assert Audit(left.parent, b"much too secret").check_one(left.name).state == "sound"
    assert Audit(left.parent, b"other").check_one(left.name).problem == "signature wrong"
    for path in left.iterdir():
        assert "much too secret" not in path.read_text()


def test_whole_releases_verify(world: World) -> None:
    """Good ones, failed ones, and those that failed before anything was planned."""
    world.deploy("v2")
    world.host.apps["v3"] = App(crashes=True)
    world.deploy("v3")
    (world.folder / "notes" / "Dockerfile").unlink()
    world.deploy("v4")

    assert [found.state for found in Audit(world.house.releases).check_all()] == ["sound"] * 4


def test_a_column_of_numbers_is_one_line() -> None:
    """Everything else is indented, and the document says the same."""
    facts = {"a": [1, None, -2.5e-7], "b": ["[\n1\n]"], "c": [[1], []], "d": {"e": 1}}
    text = to_document(facts)

    assert '  "a": [ 1, null, -2.5e-07 ],' in text.splitlines()
    assert json.loads(text) == facts


@contextmanager
def small_disk() -> Iterator[Callable[[], None]]:
    """Give what fills the disk. There is room again afterwards, also for what pytest prints into a file."""
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize(
    ("phase", "outcome", "version"),
    [
        (Phase.GATE, "reverted", "v1"),
        (Phase.CONFIRM, "reverted", "v1"),
        (Phase.DRAIN, "deployed", "v2"),
    ],
)
def test_a_full_disk_is_a_failure_like_any_other(
    world: World, phase: Phase, outcome: str, version: str
) -> None:
    """The phase table holds, the undoing comes to its end, and a warning says what is missing."""
    with small_disk() as fill:
        world.on_begin(phase, fill)
        result = world.deploy("v2")

    assert (result.outcome, world.serving()) == (outcome, {version})
    assert any("File too large" in warning for warning in result.warnings)
    assert world.host.cut == []


def test_a_disk_without_room_for_the_witness_breaks_no_release(tmp_path: Path) -> None:
    """Its requests count although no file holds them; the record's end says once what is missing."""
    record = Record.begin(tmp_path / "reports" / "releases", "notes", "v2", FakeClock())
    note = Note(0.0, "promised", "", "", 0.0, "v2")
    sample = Sample(0.0, "fresh", "GET /", 0.0, 1.0, 200, "notes_green", None)
    record.note(note)
    with small_disk() as fill:
        fill()
        for _ in range(2):
            record.sample(sample)
            record.note(note)
        with pytest.raises(StackctlError, match="the evidence cannot be written: File too large"):
            record.close()

    assert (record.samples, record.notes) == ([sample] * 2, [note] * 3)
    record.close()


def test_the_index_lists_releases_newest_first(world: World) -> None:
    """Failed ones as well, each with a link to its page."""
    world.host.apps["v3"] = App(crashes=True)
    for version in ("v2", "v3"):
        world.clock.sleep(60)
        world.deploy(version)
    index = (world.folder / "reports" / "EVIDENCE_ZERO_DOWNTIME.md").read_text()

    rows = [line.split(" | ") for line in index.splitlines() if line.startswith("| [")]
    assert [(row[2], row[3]) for row in rows] == [
        ("v3", "reverted"),
        ("v2", "deployed"),
        ("v1", "deployed"),
    ]
    assert "-notes-v3/evidence.md)" in rows[0][0]


def test_the_index_reads_only_what_it_does_not_know(world: World) -> None:
    """Rows stay as they are; those of folders that went are left out, and another head is made anew."""
    index = world.folder / "reports" / "EVIDENCE_ZERO_DOWNTIME.md"
    index.write_text(index.read_text().replace("| deployed |", "| known |"))
    gone = folder(world, world.deploy("v2"))
    assert [word in index.read_text() for word in ("| known |", "| v2 |")] == [True, True]

    shutil.rmtree(gone)
    write_index(world.house.releases)
    assert "| v2 |" not in index.read_text()
    index.write_text(index.read_text().replace("| lost |", "| gone |"))
    write_index(world.house.releases)
    assert "| known |" not in index.read_text()


def test_folders_without_readable_evidence_are_passed_over(world: World) -> None:
    """A release that was killed, or a file that somebody broke, hides no other."""
    releases = world.house.releases
    (releases / "killed").mkdir()
    (releases / "broken").mkdir()
    (releases / "broken" / "evidence.json").write_text("{")
    write_index(releases)

    assert [left["what"]["version"] for left in read_releases(releases)] == ["v1"]


def test_a_release_is_found_by_its_name_and_the_newest_without_one(world: World) -> None:
    """An unknown name is a mistake on the command line."""
    first = next(read_releases(world.house.releases))["release"]
    second = world.deploy("v2").release

    assert find_release(world.house.releases, first)["release"] == first
    assert find_release(world.house.releases, None)["release"] == second
    with pytest.raises(ConfigurationError, match="no evidence of `nothing`"):
        find_release(world.house.releases, "nothing")


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    """Nothing is left beside it."""
    write_whole(tmp_path / "file", "old")
    write_whole(tmp_path / "file", "new")

    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("file", "new")]
