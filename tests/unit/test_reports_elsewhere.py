"""Evidence that outlives the checkout: it is kept where whoever runs stackctl says, as one chain."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from orchestrator.evidence.audit import Audit
from orchestrator.evidence.chain import read_seals
from tests.fakes.command_line import Run
from tests.fakes.releases import Releases
from tests.fakes.stacks import SHOP
from tests.fakes.world import DOCKERFILE, World

if TYPE_CHECKING:
    from pathlib import Path


def test_releases_from_fresh_checkouts_are_one_chain(tmp_path: Path) -> None:
    """Each follows on the one before; nothing is left in a checkout, and the last tells its seal."""
    world = World(tmp_path)
    world.kept_in = tmp_path / "kept"
    world.begin()
    for version in ("v2", "v3"):
        world.folder = tmp_path / version
        (world.folder / "notes").mkdir(parents=True)
        (world.folder / "notes" / "Dockerfile").write_text(DOCKERFILE)
        result = world.deploy(version)
        assert result.evidence == str(tmp_path / "kept" / "releases" / result.release)
        assert result.report == f"{result.evidence}/report.html"
        assert [path.name for path in world.folder.iterdir()] == ["notes"]

    audit = Audit(world.kept_in / "releases")
    assert [finding.state for finding in audit.check_all()] == ["sound"] * 3
    assert [one.seal.number for one in read_seals(world.kept_in / "releases").values()] == [1, 2, 3]
    assert audit.head is not None
    assert audit.head.sha256 == result.seal == result.facts()["seal"]
    assert (world.kept_in / "index.html").exists()


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    """Return a place that keeps one release; a checkout that has none lies beside it."""
    folder = Releases(tmp_path / "kept").leave().parents[1]
    (tmp_path / "checkout").mkdir()
    (tmp_path / "checkout" / "stack.yaml").write_text(yaml.safe_dump(SHOP))
    return folder


def test_every_command_finds_them_there(tmp_path: Path, kept: Path) -> None:
    """By the option, wherever it stands, or by the variable; a link to the place is as good."""
    checkout, link = tmp_path / "checkout", tmp_path / "link"
    link.symlink_to(kept)
    ways = ("--reports", str(kept)), (f"--reports={link}",)
    assert Run(checkout, *ways[0], "evidence", "verify").out.endswith("1 sound\n")
    assert Run(checkout, "evidence", "show", *ways[1]).out.startswith("# web v2: ")
    run = Run(checkout, "history", "--output", "json", STACKCTL_REPORTS="../kept/reports")
    assert len(run.document["releases"]) == 1
    assert Run(checkout, "history").out == "no release has left evidence yet\n"


def test_a_checkout_does_not_say_where(tmp_path: Path, kept: Path) -> None:
    """What its `.env` says counts for nothing: else it could have a runner write anywhere."""
    checkout = tmp_path / "checkout"
    (checkout / ".env").write_text(f"STACKCTL_REPORTS={kept}\n")
    assert json.loads(Run(checkout, "history", "--output", "json").out) == {"releases": []}


def test_a_place_that_is_none_is_refused(tmp_path: Path, kept: Path) -> None:
    """A file, a link below it, and a variable without a value."""
    checkout = tmp_path / "checkout"
    Run(checkout, "history", "--reports", "stack.yaml").assert_refused(2, "is no folder", "another")
    Run(checkout, "--reports", "", "history").assert_refused(2, "names no folder", "leave it out")
    (kept / "bench").symlink_to(checkout)
    Run(checkout, "history", "--reports", str(kept)).assert_refused(2, "is a link", "put a folder")
