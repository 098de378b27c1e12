"""Which version a build gets: from the tags where git tells of them, and a sensible one elsewhere."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.edition import UNKNOWN, find_edition

REPOSITORY = Path(__file__).parents[2]
SOURCES = ("pyproject.toml", ".git_archival.txt", ".gitattributes")
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_SYSTEM": os.devnull,
    "GIT_CEILING_DIRECTORIES": "/",
    **{f"GIT_{who}_{what}": "t" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
}


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a repository with one commit, and no tag."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    for name in SOURCES:
        shutil.copy(REPOSITORY / name, folder)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    commit(folder)
    return folder


def git(folder: Path, *arguments: str) -> str:
    """Run git."""
    return run(folder, "git", *arguments)


def run(folder: Path, *command: str) -> str:
    """Run a program to its good end and return what it printed."""
    done = subprocess.run(
        command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def commit(folder: Path, tag: str | None = None) -> None:
    """Make a commit, and perhaps a tag at it."""
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "a commit")
    if tag:
        git(folder, "tag", tag)


def tell(folder: Path) -> str:
    """Return the version that a build of this folder would get."""
    return run(folder, sys.executable, "-m", "setuptools_scm")


def pack(folder: Path) -> Path:
    """Return the folder that a tarball of HEAD is unpacked to, as a forge would make it."""
    place = folder.with_name("tarball")
    place.mkdir()
    git(folder, "archive", "--output", str(place / "it.tar"), "HEAD")
    run(place, "tar", "-xf", "it.tar")
    return place


def head(folder: Path) -> str:
    """Return the id of the commit, as short as a version has it."""
    return git(folder, "rev-parse", "--short=7", "HEAD")


def test_a_tag_is_the_version(checkout: Path) -> None:
    """Of a checkout, of a tarball of it, and whatever other tags there are."""
    commit(checkout, "v1.2.3")
    git(checkout, "tag", "demo-9")
    assert tell(checkout) == "1.2.3"
    assert tell(pack(checkout)) == "1.2.3"


def test_what_follows_a_tag_names_its_commit(checkout: Path) -> None:
    """It is on the way to the next version."""
    commit(checkout, "v1.2.3")
    commit(checkout)
    expected = rf"1\.2\.4\.dev1\+g{head(checkout)}\w*"
    assert re.fullmatch(expected, tell(checkout))
    assert re.fullmatch(expected, tell(pack(checkout)))


def test_without_a_tag_the_commit_is_named(checkout: Path) -> None:
    """It is before all versions: of a checkout, and of a shallow clone as CI makes it."""
    expected = rf"0\.\d+(\.dev\d+)?\+g{head(checkout)}\w*"
    assert re.fullmatch(expected, tell(checkout))
    commit(checkout, "v1.2.3")
    commit(checkout)
    shallow = checkout.with_name("shallow")
    git(
        checkout.parent,
        "clone",
        "--quiet",
        "--depth=1",
        "--no-tags",
        f"file://{checkout}",
        "shallow",
    )
    assert re.fullmatch(rf"0\.\d+(\.dev\d+)?\+g{head(checkout)}\w*", tell(shallow))


def test_without_git_there_is_a_version_as_well(checkout: Path) -> None:
    """A tarball of no tag; and files that were copied, in the repository of others too."""
    assert tell(pack(checkout)) == UNKNOWN
    commit(checkout, "v1.2.3")
    copied = checkout / "copied"
    copied.mkdir()
    for name in SOURCES:
        shutil.copy(REPOSITORY / name, copied)
    assert tell(copied) == UNKNOWN
    shutil.rmtree(checkout / ".git")
    assert tell(checkout) == UNKNOWN


def test_the_version_is_that_of_the_installed_package() -> None:
    """Here that is an editable one; its dots are those of a version."""
    assert re.fullmatch(r"\d+(\.\d+)+\S*", find_edition())
