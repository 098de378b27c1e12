"""Whoever is asked by `init` at a terminal, and ends it there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.e2e.keyboard import CTRL_C, CTRL_D, at_terminal
from tests.e2e.operator import REPOSITORY, STACKCTL

if TYPE_CHECKING:
    from pathlib import Path

QUESTIONS = ("port that it listens at [80]:", "path that answers 200 when it is well [/]:")


@pytest.mark.parametrize(
    ("key", "code", "said"),
    [
        # Enter behind it: pressed while the prompt is being written, Ctrl-C is seen with the next key.
        (f"{CTRL_C}\n", 130, "interrupted by signal 2"),
        (CTRL_D, 2, "a question was left without an answer: nothing was written"),
    ],
    ids=["Ctrl-C", "Ctrl-D"],
)
def test_questions_that_are_broken_off_leave_nothing(
    tmp_path: Path, key: str, code: int, said: str
) -> None:
    """In the middle: what was answered is not written either; one line below the question says so."""
    (tmp_path / "Dockerfile").write_text("FROM scratch\nEXPOSE 80\n")
    around = {**os.environ, "PYTHONPATH": str(REPOSITORY), "NO_COLOR": "1"}
    with at_terminal((*STACKCTL, "init"), tmp_path, around) as keyboard:
        for question in QUESTIONS:
            keyboard.await_text(question)
            if question != QUESTIONS[-1]:
                keyboard.type("\n")
        keyboard.type(key)
        keyboard.await_text(f"\nerror: {said}\r\n")
        assert keyboard.process.wait(60) == code
    assert [file.name for file in tmp_path.iterdir()] == ["Dockerfile"]
