"""What a process inside a container prints, on our own streams."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

import pytest

from orchestrator.attachment import Screen

if TYPE_CHECKING:
    from pathlib import Path

MIXED = bytes(range(256)) + "ü — 漢字\n".encode()
COMMAND = b"\n::add-mask::word\n"


@pytest.fixture(autouse=True)
def no_ci(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever the tests run, the process is in no CI unless a test says so."""
    for name in ("CI", "GITHUB_ACTIONS", "GITLAB_CI", "TF_BUILD", "TEAMCITY_VERSION"):
        monkeypatch.delenv(name, raising=False)


def show_to_pipe(*pieces: bytes) -> bytes:
    """Return what comes out of a pipe that the pieces were shown to."""
    reader, writer = os.pipe()
    with io.TextIOWrapper(os.fdopen(writer, "wb"), encoding="utf-8") as stream:
        screen = Screen(stream)
        for piece in pieces:
            screen.show(piece)
    with os.fdopen(reader, "rb") as stream:
        return stream.read()


@pytest.mark.parametrize("ci", ["", "true"])
def test_bytes_come_out_as_they_went_in(monkeypatch: pytest.MonkeyPatch, ci: str) -> None:
    """However they are cut: a dump that is piped on is no text."""
    monkeypatch.setenv("GITHUB_ACTIONS", ci)
    assert show_to_pipe(*(MIXED[at : at + 1] for at in range(len(MIXED)))) == MIXED
    assert show_to_pipe(MIXED, MIXED) == MIXED * 2


def test_a_ci_system_finds_no_command_in_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else has them changed."""
    assert show_to_pipe(COMMAND) == COMMAND
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    assert show_to_pipe(COMMAND) == b"\n:\\:add-mask::word\n"
    assert show_to_pipe(COMMAND[:4], COMMAND[4:]) == b"\n:\\:add-mask::word\n"


def test_a_file_gets_what_is_there_in_ci_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """No CI system reads it for commands."""
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    with (tmp_path / "dump").open("w") as stream:
        Screen(stream).show(COMMAND)
    assert (tmp_path / "dump").read_bytes() == COMMAND
