"""Whoever is asked at a terminal, and says no, or ends it there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.e2e.keyboard import CTRL_C, CTRL_D, at_terminal
from tests.e2e.operator import REPOSITORY, STACKCTL

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.operator import Operator

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


def test_whoever_is_to_remove_data_is_told_where(operator: Operator) -> None:
    """By the machine's name, and by who has named its engine; only a yes is one."""
    operator.write_stack()
    data = f"{operator.name}-data"
    operator.engine.create_volume(data, labels={"io.stackctl.stack": operator.name})
    facts = operator.engine.info()
    around = {**operator.environment, "DOCKER_HOST": "unix:///var/run/docker.sock", "COLUMNS": "80"}
    command = (*operator.stackctl, "down", "--volumes")
    for answer, code in (("\n", 1), ("yes\n", 0)):
        with at_terminal(command, operator.folder, around) as keyboard:
            keyboard.await_text(f"on {facts['Name']} at unix:///var/run/docker.sock (DOCKER_HOST)")
            keyboard.await_text(f": remove {data}, and all data in there, for good? [y/N] ")
            assert operator.engine.inspect_volume(data)
            keyboard.type(answer)
            assert keyboard.process.wait(60) == code
    assert operator.engine.volumes(filters={"name": data})["Volumes"] == []
