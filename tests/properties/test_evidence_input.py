"""Evidence that was damaged or made up: `verify` names what does not fit, and nothing breaks."""

from __future__ import annotations

import json
import os
import shutil
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.announce.metrics import to_metrics
from orchestrator.events import Failed
from orchestrator.evidence.archive import INDEX, read_releases, write_index
from orchestrator.evidence.audit import Audit
from orchestrator.evidence.chain import seal_folder
from orchestrator.reports import hash_own
from tests.fakes.releases import Releases
from tests.properties.budget import examples
from tests.properties.hostile import BROKEN_JSON, DOCUMENTS, TEXTS, damaged, damaged_text
from tests.properties.line import run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from orchestrator.evidence.audit import Finding

RAW = ("events.jsonl", "witness.jsonl")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a stack of which three releases have left evidence."""
    folder = tmp_path_factory.mktemp("stack")
    releases = Releases(folder)
    releases.leave("v1")
    releases.leave("v2", lost=[3], more=[Failed("gate", "it is sick", "mend it", "boom")])
    releases.leave("v3")
    return folder


def list_releases(place: Path) -> list[Path]:
    """Return the folders of the releases, oldest first."""
    return sorted((place / "reports" / "releases").iterdir())


def audit(folder: Path) -> list[Finding]:
    """Return a finding for each release, which can be told in words and as JSON."""
    findings = Audit(folder.parent).check_all()
    json.dumps([finding.facts() for finding in findings])
    return findings


@pytest.fixture
def newest(place: Path) -> Iterator[Path]:
    """Yield the newest release, whose files a test may change; they are put back afterwards."""
    folder = list_releases(place)[-1]
    kept = {file.name: file.read_bytes() for file in folder.iterdir()}
    yield folder
    shutil.rmtree(folder)
    folder.mkdir()
    for name, content in kept.items():
        (folder / name).write_bytes(content)


@examples(150)
@given(data=st.data())
def test_a_changed_byte_is_found(place: Path, data: st.DataObject) -> None:
    """In whatever file of whatever release: the release, or one that names it, is broken."""
    folder = data.draw(st.sampled_from(list_releases(place)))
    file = data.draw(st.sampled_from(sorted(folder.iterdir())))
    content = file.read_bytes()
    at = data.draw(st.integers(0, len(content)))
    other = (
        content[:at]
        + data.draw(st.binary(max_size=3))
        + content[at + data.draw(st.integers(0, 3)) :]
    )
    file.write_bytes(other)
    try:
        findings = audit(folder)
    finally:
        file.write_bytes(content)
    states = {finding.release: finding.state for finding in findings}
    assert (states[folder.name] == "broken") == (other != content)
    assert all(
        finding.problem and finding.detail for finding in findings if finding.state == "broken"
    )


@pytest.mark.parametrize(
    "name",
    [
        "events.jsonl",
        "evidence.json",
        "evidence.md",
        "nginx.after.conf",
        "nginx.before.conf",
        "nginx.diff",
        "report.html",
        "seal.json",
        "witness.jsonl",
    ],
)
def test_each_file_is_named_whichever_byte_of_it_was_changed(place: Path, name: str) -> None:
    """Of the release in the middle; the one before it still holds."""
    before, folder, _ = list_releases(place)
    path = folder / name
    content = path.read_bytes()
    step = max(1, len(content) // 200)
    for position in {*range(0, len(content), step), len(content) - 1}:
        changed = bytes([content[position] ^ 1])
        path.write_bytes(content[:position] + changed + content[position + 1 :])
        checks = Audit(folder.parent)
        found = checks.check_one(folder.name)
        assert found.problem in ("file changed", "newer schema"), (position, found)
        assert found.detail.startswith(f"`{name}`"), (position, found)
        assert checks.check_one(before.name).state == "sound"
    path.write_bytes(content)

    assert {finding.state for finding in audit(folder)} == {"sound"}


def test_untouched_evidence_is_sound(place: Path) -> None:
    """What the properties of this file do damage to has no fault."""
    assert {finding.state for finding in audit(list_releases(place)[0])} == {"sound"}


def reseal(folder: Path, evidence: Any) -> None:
    """Write evidence whose hashes fit, and the seal over all of it: as a forger without a key does."""
    if isinstance(evidence, dict):
        files = evidence.get("files")
        if isinstance(files, dict):
            evidence["files"] = files | {name: hash_own(folder / name) for name in RAW}
        evidence["previous"] = None
    (folder / "evidence.json").write_text(json.dumps(evidence))
    (folder / "seal.json").write_text(seal_folder(folder, None, None))


def forge(newest: Path, place: Path, change: Callable[[Path, Any], Any]) -> Path:
    """Return a folder of its own with the newest release, changed and sealed anew."""
    folder = place.parent / "forged" / "reports" / "releases" / newest.name
    shutil.rmtree(folder.parents[2], ignore_errors=True)
    shutil.copytree(newest, folder)
    reseal(folder, change(folder, json.loads((folder / "evidence.json").read_text())))
    return folder


def read_everywhere(folder: Path) -> None:
    """Read releases in every way that there is; all of it must end in words."""
    audit(folder)
    write_index(folder.parent)
    (folder.parents[1] / INDEX).read_text()
    to_metrics("shop", read_releases(folder.parent))
    stack = folder.parents[2]
    for words in (["history"], ["evidence", "show"], ["evidence", "verify"]):
        for output in ("text", "json"):
            ended = run(stack, [*words, "--output", output])
            assert "Traceback" not in ended.err, ended.err
            assert ended.code in (0, 1, 2), ended.err
            assert output == "text" or ended.document is not None


@examples(40)
@given(data=st.data())
def test_forged_evidence_breaks_nothing(place: Path, data: st.DataObject) -> None:
    """Any evidence.json, with hashes that fit: verify, history, show, index and metrics go on."""
    newest = list_releases(place)[-1]
    known = json.loads((newest / "evidence.json").read_text())
    forged = data.draw(damaged(known, most=2) | DOCUMENTS)
    read_everywhere(forge(newest, place, lambda *_: forged))


@examples(40)
@given(data=st.data())
def test_forged_raw_files_break_nothing(place: Path, data: st.DataObject) -> None:
    """Any events and samples, with hashes that fit: the audit says that they support nothing."""
    newest = list_releases(place)[-1]
    name = data.draw(st.sampled_from(RAW))
    lines = (newest / name).read_text().splitlines()
    at = data.draw(st.integers(0, len(lines) - 1))
    line = data.draw(damaged(json.loads(lines[at])).map(json.dumps) | BROKEN_JSON | TEXTS)

    def change(folder: Path, evidence: Any) -> Any:
        text = "\n".join([*lines[:at], line, *lines[at + 1 :]]) + "\n"
        (folder / name).write_bytes(text.encode(errors="surrogatepass"))
        return evidence

    folder = forge(newest, place, change)
    assert [finding.release for finding in audit(folder)] == [folder.name]


@examples(40)
@given(data=st.data(), name=st.sampled_from(["evidence.json", "seal.json", *RAW]))
def test_files_of_anything_break_nothing(place: Path, data: st.DataObject, name: str) -> None:
    """Files that hold anything at all: the release is broken, and the others are read as before."""
    newest = list_releases(place)[-1]
    text = (newest / name).read_text()
    content = data.draw(damaged_text(text) | BROKEN_JSON | DOCUMENTS.map(json.dumps) | TEXTS)
    folder = forge(newest, place, lambda _, evidence: evidence)
    (folder / name).write_bytes(content.encode(errors="surrogatepass"))
    read_everywhere(folder)


@examples(60)
@given(text=DOCUMENTS.map(json.dumps) | TEXTS | BROKEN_JSON)
def test_an_index_of_anything_is_written_anew(place: Path, text: str) -> None:
    """What the table held before keeps no release out of it, and none in it that is not there."""
    folder = forge(list_releases(place)[-1], place, lambda _, evidence: evidence)
    index = folder.parents[1] / INDEX
    index.write_bytes(text.encode(errors="surrogatepass"))
    write_index(folder.parent)
    rows = [line for line in index.read_text().splitlines() if line.startswith("| [")]
    assert [row.partition("]")[0] for row in rows] == [f"| [{folder.name}"]


@pytest.mark.parametrize("name", ["evidence.json", "seal.json", *RAW, "report.html"])
@pytest.mark.parametrize("target", ["/dev/zero", "fifo", "/nonexistent", "."])
def test_what_is_no_file_is_not_waited_for(newest: Path, name: str, target: str) -> None:
    """A link to an endless device, or a pipe that nobody writes to, is told and not read."""
    (newest / name).unlink()
    if target == "fifo":
        os.mkfifo(newest / name)
    else:
        (newest / name).symlink_to(target)
    assert audit(newest)[-1].state == "broken"
    assert len(list(read_releases(newest.parent))) == (2 if name == "evidence.json" else 3)
    write_index(newest.parent)


def test_a_name_that_is_no_text_is_told(newest: Path) -> None:
    """A stray file whose name no text can hold: `verify` fails in words, as text and as JSON."""
    (newest / os.fsdecode(b"stray\xff\x1b[2J")).touch()
    stack = newest.parents[2]
    for output in ("text", "json"):
        ended = run(stack, ["evidence", "verify", "--output", output])
        assert (ended.code, "Traceback" in ended.err) == (1, False), ended.err
        assert "stray file" in ended.out
        assert "\x1b" not in ended.out + ended.err


def test_a_damaged_release_is_named_by_history(newest: Path) -> None:
    """The others are listed as ever; a warning names the one that cannot be, and what to do."""
    evidence = json.loads((newest / "evidence.json").read_text())
    del evidence["witness"]
    (newest / "evidence.json").write_text(json.dumps(evidence))
    ended = run(newest.parents[2], ["history"])
    assert ended.code == 0
    assert len(ended.out.splitlines()) == 3
    assert newest.name in ended.err
    assert "evidence verify" in ended.err
