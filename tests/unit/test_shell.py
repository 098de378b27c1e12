"""Other programs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from orchestrator.clock import SystemClock, poll
from orchestrator.errors import Interrupted
from orchestrator.shell import follow, run


def test_a_program_ends_with_code_and_words() -> None:
    """Both of its streams, and nothing of our environment but what it was given."""
    done = run(("/bin/sh", "-c", "echo $A; echo no >&2; exit 3"), {"A": "yes"})
    assert done == (3, "yes\n", "no\n")


def test_a_program_that_does_not_end_is_ended() -> None:
    """It is an error of the system, as a program that is not there is."""
    with pytest.raises(TimeoutError, match=r"did not end within 0\.05 s"):
        run(("/bin/sleep", "60"), {}, patience=0.05)
    with pytest.raises(OSError, match="No such file"):
        run(("/nonexistent",), {})


def test_a_program_that_is_followed_is_heard_line_by_line(tmp_path: Path) -> None:
    """Both of its streams; it reads a file."""
    file = tmp_path / "said"
    file.write_text("one\ntwo\n")
    heard: list[str] = []
    with file.open("rb") as source:
        code = follow(("/bin/sh", "-c", "cat; echo no >&2; exit 3"), {}, source, heard.append)
    assert (code, heard) == (3, ["one", "two", "no"])


def test_whatever_ends_the_wait_ends_the_program() -> None:
    """And what it has started, whatever it does with signals: `docker build` passes some over."""
    pids: list[int] = []

    def hear(line: str) -> None:
        pids.append(int(line))
        if len(pids) == 2:
            raise Interrupted(2)

    script = "trap '' TERM INT; sleep 600 & echo $!; echo $$; wait; sleep 600"
    with Path(os.devnull).open("rb") as source, pytest.raises(Interrupted):
        follow(("/bin/sh", "-c", script), {"PATH": os.environ["PATH"]}, source, hear)
    ended = poll(
        lambda: not any(map(runs, pids)) or None, clock=SystemClock(), every=0.05, within=20
    )
    assert ended


def runs(pid: int) -> bool:
    """Whether a process runs; one that has ended may wait to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
