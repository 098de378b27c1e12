"""The program that changes records of names for an authority: what it is told, and how it may fail."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from orchestrator.certificates.authority import IssuanceError
from orchestrator.certificates.records import Program, require_permitted
from orchestrator.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

NAME, VALUE = "_acme-challenge.shop.example", "gfj9Xq...Rg85nM"
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "TOKEN": "t0ken", "STACKCTL_EVIDENCE_KEY": "k3y"}


def shell(folder: Path, script: str) -> Program:
    """Return a program that is a line of a shell."""
    return Program(("sh", "-c", script, "dns"), folder, ENVIRONMENT)


def test_it_is_told_what_to_do_with_which_record(tmp_path: Path) -> None:
    """In the folder of stack.yaml, with the environment but for what is stackctl's own."""
    program = shell(tmp_path, 'echo "$@" "$TOKEN" "$STACKCTL_EVIDENCE_KEY" >> told')
    program.add(NAME, VALUE, 10)
    program.remove(NAME, VALUE, 10)
    told = (tmp_path / "told").read_text().splitlines()
    assert told == [f"add {NAME} {VALUE} t0ken ", f"remove {NAME} {VALUE} t0ken "]


@pytest.mark.parametrize(
    ("script", "within", "message"),
    [
        ("echo no such zone >&2; exit 3", 10, "ended with exit code 3: no such zone"),
        ("exit 1", 10, "ended with exit code 1"),
        ("sleep 30", 0.2, f"did not add the record `{NAME}`: it did not end within 0.2 s"),
        ("yes", 10, f"did not add the record `{NAME}`: it printed more than"),
    ],
    ids=["word", "silence", "slow", "talkative"],
)
def test_what_it_could_not_do_is_one_line(
    tmp_path: Path, script: str, within: float, message: str
) -> None:
    """With the command, to be tried by hand."""
    with pytest.raises(IssuanceError, match=re.escape(message)) as told:
        shell(tmp_path, script).add(NAME, VALUE, within)
    assert "\n" not in told.value.message
    assert told.value.hint is not None
    assert told.value.hint.endswith(f"dns add {NAME} {VALUE}`")


def test_a_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    """As the system says it."""
    with pytest.raises(IssuanceError, match="No such file or directory"):
        Program(("./no-such-program",), tmp_path, ENVIRONMENT).add(NAME, VALUE, 10)


@pytest.mark.parametrize("word", ["1", "true", " Yes "])
def test_it_is_run_where_somebody_has_permitted_it(word: str) -> None:
    """By the environment alone."""
    require_permitted({"STACKCTL_ALLOW_DNS_COMMAND": word})


@pytest.mark.parametrize("environment", [{}, {"STACKCTL_ALLOW_DNS_COMMAND": "0"}])
def test_it_is_not_run_otherwise(environment: dict[str, str]) -> None:
    """A checkout brings stack.yaml, and stack.yaml names it."""
    with pytest.raises(ConfigurationError, match="nobody has permitted it") as told:
        require_permitted(environment)
    assert told.value.hint is not None
    assert "STACKCTL_ALLOW_DNS_COMMAND=1" in told.value.hint
