"""What comes with a checkout is not trusted: nothing below `reports/` is reached through a link."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from orchestrator.cli import app
from orchestrator.errors import ConfigurationError, StackctlError
from orchestrator.files import replace_file
from orchestrator.reports import (
    find_reports,
    list_folders,
    make_folder,
    open_own,
    read_own,
    remove_folder,
    replace_own,
)
from tests.fakes.planted import KINDS, keeping, plant
from tests.fakes.releases import Releases

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def precious(tmp_path: Path) -> Iterator[Path]:
    """Yield a file that lies outside of `reports/`; it must be as it was at the end."""
    with keeping(tmp_path) as file:
        yield file


@pytest.mark.parametrize("kind", KINDS)
def test_only_a_file_of_its_own_is_opened(tmp_path: Path, precious: Path, kind: str) -> None:
    """To read, to write or to make it; what has its name is replaced, and never followed."""
    path = tmp_path / "reports" / "file"
    make_folder(path.parent)
    plant(path, kind, precious)
    for flags in (os.O_RDONLY, os.O_RDWR | os.O_APPEND, os.O_RDWR | os.O_CREAT):
        with pytest.raises(OSError, match="file"):
            open_own(path, flags)
    if kind == "folder":
        return
    replace_own(path, b"new")
    assert (read_own(path), path.is_symlink(), path.stat().st_nlink) == (b"new", False, 1)


@pytest.mark.parametrize("depth", [0, 1, 2])
def test_no_folder_on_the_way_may_be_a_link(tmp_path: Path, precious: Path, depth: int) -> None:
    """Not the last one, and none above it."""
    parts = ["reports", "releases", "v1"][: depth + 1]
    link = tmp_path.joinpath(*parts)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(precious.parent)
    below = link.joinpath(*["reports", "releases", "v1"][depth + 1 :])
    calls: list[Callable[[], Any]] = [
        lambda: read_own(below / precious.name),
        lambda: replace_own(below / precious.name, b""),
        lambda: open_own(below / "made", os.O_CREAT | os.O_RDWR),
        lambda: make_folder(below / "made"),
        lambda: make_folder(below, there=True),
        lambda: remove_folder(below / precious.name),
    ]
    for call in calls:
        with pytest.raises(OSError, match="is a link"):
            call()
    with pytest.raises(StackctlError, match="is a link"):
        list_folders(below)


def test_a_link_is_no_folder_of_a_release(tmp_path: Path, precious: Path) -> None:
    """Nor is a file, or a pipe."""
    (tmp_path / "releases" / "v1").mkdir(parents=True)
    plant(tmp_path / "releases" / "v2", "pipe", precious)
    (tmp_path / "releases" / "v3").symlink_to(precious.parent)
    assert list_folders(tmp_path / "releases") == [tmp_path / "releases" / "v1"]
    assert list_folders(tmp_path / "none") == []


def test_a_file_is_read_within_a_bound(tmp_path: Path) -> None:
    """A few bytes in a repository may be many on the disk."""
    (tmp_path / "file").write_bytes(b"12345")
    assert read_own(tmp_path / "file", 5) == b"12345"
    with pytest.raises(OSError, match="larger than 4 bytes"):
        read_own(tmp_path / "file", 4)


@pytest.mark.parametrize("replace", [replace_file, replace_own])
def test_what_is_written_beside_a_file_has_a_name_that_nobody_knew(
    tmp_path: Path, precious: Path, replace: Callable[[Path, bytes], None]
) -> None:
    """A link with a name that was made of the process's number was followed."""
    (tmp_path / f".file.{os.getpid()}").symlink_to(precious)
    replace(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"


@pytest.mark.parametrize("place", ["reports", "reports/releases", "reports/bench"])
@pytest.mark.parametrize("command", [["history"], ["evidence", "verify"], ["evidence", "show"]])
def test_a_command_says_which_folder_is_a_link(
    tmp_path: Path, precious: Path, place: str, command: list[str]
) -> None:
    """Before it reads anything there."""
    (tmp_path / place).parent.mkdir(exist_ok=True)
    (tmp_path / place).symlink_to(precious.parent)
    with pytest.raises(ConfigurationError, match="is a link"):
        find_reports(tmp_path)
    ended = CliRunner().invoke(app, ["--file", str(tmp_path / "stack.yaml"), *command])
    assert isinstance(ended.exception, ConfigurationError)
    assert ended.exception.message == f"`{tmp_path / place}` is a link"


def test_a_folder_of_releases_that_a_person_names_may_be_a_link(tmp_path: Path) -> None:
    """It is theirs."""
    releases = Releases(tmp_path)
    releases.leave("v2")
    (tmp_path / "link").symlink_to(releases.folder)
    words = ["evidence", "verify", "--releases", str(tmp_path / "link")]
    assert CliRunner().invoke(app, words).exit_code == 0
