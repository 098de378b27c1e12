"""What this repository shows of itself: its own reports are whole, sound and name no machine."""

from __future__ import annotations

import gzip
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from orchestrator.bench.script import list_scripts
from orchestrator.catalogue.page import find_rows
from orchestrator.evidence.audit import Audit

REPOSITORY = Path(__file__).parents[2]
REPORTS = REPOSITORY / "reports"
RELEASES = REPORTS / "releases"
BESIDE_A_RELEASE = {"release"}  # scripts that load, and are no load test of a service
# Where a person, a runner or a program of ours works: not /etc, which a container's config names.
PLACES = ("/home/", "/root/", "/Users/", "/tmp/stackctl", "C:\\", str(REPOSITORY))


def list_sealed() -> list[Path]:
    """Return all files of releases that came to their end."""
    folders = {path.parent for path in RELEASES.glob("*/seal.json")}
    return sorted(path for folder in folders for path in folder.iterdir())


def test_every_release_verifies() -> None:
    """As it was left; nobody has touched it since."""
    broken = [found for found in Audit(RELEASES).check_all() if found.state == "broken"]
    assert broken == []


def test_a_changed_byte_in_any_file_is_found(tmp_path: Path) -> None:
    """Each file of each release in turn, at a place by chance; the finding names the file."""
    copy = tmp_path / "releases"
    shutil.copytree(RELEASES, copy)
    chance = random.Random(1)  # noqa: S311  no secret
    for path in (copy / path.relative_to(RELEASES) for path in list_sealed()):
        content = path.read_bytes()
        if content:
            at = chance.randrange(len(content))
            changed = bytes([content[at] ^ chance.randint(1, 255)])
            path.write_bytes(content[:at] + changed + content[at + 1 :])
        else:
            path.write_bytes(b"\n")
        found = Audit(copy).check_one(path.parent.name)
        path.write_bytes(content)
        assert (found.state, f"`{path.name}`" in found.detail) == ("broken", True), found


def test_each_service_has_a_release_of_it_that_lost_nothing() -> None:
    """One in which users moved from a version to another, with a witness and real clients."""
    stack: Any = yaml.safe_load((REPOSITORY / "stack.yaml").read_text())
    told = [json.loads(path.read_text()) for path in RELEASES.glob("*/evidence.json")]
    proven = {
        evidence["what"]["service"]
        for evidence in told
        if evidence["verdict"]["lossless"]
        and evidence["outcome"] == "deployed"
        and evidence["traffic"]["requests"]
    }
    assert proven == set(stack["services"])


@pytest.mark.parametrize("script", sorted({*list_scripts(REPOSITORY)} - BESIDE_A_RELEASE))
def test_each_script_has_its_load_test(script: str) -> None:
    """The newest report is one of a test whose figures are kept beside it."""
    newest = REPORTS / ("k6-report.md" if script == "test" else f"k6-{script}-report.md")
    place = newest.read_text().rpartition("The raw figures and the charts: `")[2].partition("`")[0]
    document = json.loads((REPOSITORY / place).with_name("bench.json").read_text())
    assert document["script"]["name"] == script
    assert document["figures"]["requests"] > 0


def test_the_catalogue_lists_what_is_there() -> None:
    """Every release and every load test whose folder lies beside it."""
    rows = find_rows((REPORTS / "index.html").read_text())
    listed = {row["id"] for name in ("releases", "benches") for row in rows[name]}
    found = [*RELEASES.glob("*/evidence.json"), *(REPORTS / "bench").glob("*/bench.json")]
    assert listed == {path.parent.name for path in found}
    index = (REPORTS / "EVIDENCE_ZERO_DOWNTIME.md").read_text()
    assert [
        path for path in RELEASES.glob("*/evidence.json") if path.parent.name not in index
    ] == []


def test_no_report_names_a_place_of_a_machine() -> None:
    """What is in the repository says nothing of the disk that it was made on."""
    named = []
    for path in sorted(path for path in REPORTS.rglob("*") if path.is_file()):
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode()
        named += [f"{path.name}: {place}" for place in PLACES if place in text]
    assert named == []
