"""What is installed: exactly what the lock files say, byte for byte, and audited."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / ".ci" / "setup"))  # a directory that is run, not a package
audit: Any = importlib.import_module("audit")

LOCKS: list[Path] = audit.lock_files(ROOT)
REQUIREMENT = re.compile(
    r"[a-z0-9._-]+(\[[a-z,]+\])?==[a-z0-9.!+]+( ; [^\\]+)?( --hash=sha256:[0-9a-f]{64})+"
)
INSTALLS = re.compile(r"\bpip\"?\s+install\b[^\n&|]*")
PINNED = re.compile(r"[\w./-]+@[0-9a-f]{40}")
TRACEBACK = "Traceback (most recent call last):\nrequests.exceptions.ProxyError: no way\n"


def requirements(file: Path) -> list[str]:
    """Return a lock file's requirements, each on one line and without comments."""
    text = re.sub(r"^\s*#.*\n", "", file.read_text(), flags=re.MULTILINE)
    joined = re.sub(r"\s*\\\n\s*", " ", text)
    return [line.strip() for line in joined.splitlines() if line.strip()]


def tracked() -> list[Path]:
    """Return the files in which something may be installed."""
    names = ("Makefile", "action.yml", "docs/gitlab-ci.yml", ".ci/run", ".github/workflows/ci.yml")
    dockerfiles = [
        file
        for folder in ("services", ".ci", "tests")
        for file in (ROOT / folder).rglob("Dockerfile")
        if file.is_file()
    ]
    return [*(ROOT / name for name in names), *dockerfiles]


@pytest.mark.parametrize("file", LOCKS, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_requirement_has_one_version_and_its_hashes(file: Path) -> None:
    """No range, no address, no option: a name, `==`, perhaps a marker, and what pip compares."""
    found = requirements(file)
    assert found
    assert [line for line in found if not REQUIREMENT.fullmatch(line)] == []


def test_no_lock_file_is_forgotten() -> None:
    """Whatever holds a hash is among those that are checked and audited."""
    holding = {
        file
        for pattern in ("*.txt", "*.lock", "services/*/*.txt", ".ci/**/*.txt", "tests/**/*.txt")
        for file in ROOT.glob(pattern)
        if "--hash=" in file.read_text()
    }
    assert holding == set(LOCKS)
    assert len(LOCKS) >= 8


@pytest.mark.parametrize("file", tracked(), ids=lambda file: str(file.relative_to(ROOT)))
def test_whatever_installs_packages_compares_hashes(file: Path) -> None:
    """Or fetches nothing: the project itself is built from what is there already."""
    text = re.sub(r"\\\n", " ", file.read_text())
    for command in INSTALLS.findall(text):
        fetches_nothing = "--no-deps" in command and "--no-build-isolation" in command
        assert "--require-hashes" in command or fetches_nothing, command


def test_the_set_up_compares_hashes_too() -> None:
    """Of what it installs with one program or the other; what it builds, it builds with that."""
    text = (ROOT / ".ci" / "setup" / "environment.py").read_text()
    assert text.count('"--require-hashes"') == 2
    assert '"--no-deps", "--no-build-isolation"' in text
    assert '"install"' in text


@pytest.mark.parametrize("name", [".github/workflows/ci.yml", "action.yml"])
def test_actions_of_others_are_pinned_by_commit(name: str) -> None:
    """A tag can be moved, a commit cannot."""
    used = re.findall(r"uses: (\S+)", (ROOT / name).read_text())
    assert used
    assert [action for action in used if not PINNED.fullmatch(action)] == []


def test_the_workflow_audits_and_may_do_nothing_else() -> None:
    """It insists on an answer, comes by itself once a week, and reads the repository only."""
    workflow: Any = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}
    steps = workflow["jobs"]["audit"]["steps"]
    assert "make audit ARGS=--strict" in [step.get("run") for step in steps]
    assert "schedule" in workflow[True]  # YAML 1.1 reads `on` as a truth value


def ended(
    code: int, *, packages: list[dict[str, object]] | None = None, said: str = ""
) -> subprocess.CompletedProcess[str]:
    """Return what pip-audit leaves."""
    document = "" if packages is None else json.dumps({"dependencies": packages, "fixes": []})
    return subprocess.CompletedProcess((), code, document, said)


CLEAN: dict[str, object] = {"name": "good", "version": "1", "vulns": []}
BAD: dict[str, object] = {
    "name": "bad",
    "version": "1",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["2"]}],
}
UNKNOWN: dict[str, object] = {"name": "uv", "skip_reason": "Dependency not found on PyPI"}
NO_HASH = "ERROR:pip_audit._cli:requirement uv==0.1 does not contain a hash\n"


@pytest.mark.parametrize(
    ("done", "usual", "strict", "said"),
    [
        (ended(0, packages=[CLEAN]), 0, 0, "0 known vulnerabilities in 1 packages"),
        (ended(1, packages=[CLEAN, BAD]), 1, 1, "  bad 1: PYSEC-1, fixed in 2"),
        (ended(0, packages=[CLEAN, UNKNOWN]), 0, 0, "not known to the service: uv"),
        (ended(0, packages=[UNKNOWN]), 0, 1, "the vulnerability service does not answer"),
        (ended(1, said=TRACEBACK), 0, 1, "the vulnerability service does not answer"),
        (ended(1, said=NO_HASH), 2, 2, "uv==0.1 does not contain a hash"),
        (ended(1), 2, 2, "it said nothing"),
    ],
    ids=["clean", "findings", "one unknown", "all unknown", "no way", "no hash", "silent program"],
)
def test_an_audit_tells_findings_from_silence(
    done: subprocess.CompletedProcess[str], usual: int, strict: int, said: str
) -> None:
    """pip-audit itself ends with 1 for each of them, and with 0 where it knew nothing at all."""
    for arguments, code in (((), usual), (("--strict",), strict)):
        lines: list[str] = []
        assert audit.main(arguments, LOCKS[:1], lambda _: done, lines.append) == code
        assert said in "".join(lines)


def test_a_service_that_is_away_is_said_once() -> None:
    """The other files are not asked about; an earlier finding is not forgotten."""
    answers = iter([ended(1, packages=[BAD]), ended(1, said=TRACEBACK)])
    lines: list[str] = []
    assert audit.main((), LOCKS[:3], lambda _: next(answers), lines.append) == 1
    assert "".join(lines).count("does not answer") == 1


def test_an_audit_is_not_asked_for_anything_else() -> None:
    """A word that it does not know is no order to go on."""
    assert audit.main(("--fix",), LOCKS, audit.ask, lambda _: None) == 2
