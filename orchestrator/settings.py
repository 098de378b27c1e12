"""The settings that every command shares, wherever on the command line they stand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

REPORTS_VARIABLE = "STACKCTL_REPORTS"
WITH_VALUE = ("--file", "-f", "--output", "--reports")
FLAGS = ("--no-color",)
ATTACHED = re.compile(r"--file=|--output=|--reports=|-f.")
SECONDS = re.compile(r"-?\.?[0-9].*")  # meant as a number, be it one or not
LONGEST_WAIT = 3600  # seconds, where `--wait` has no number


@dataclass(frozen=True)
class Settings:
    """What the global options say."""

    file: Path
    output: Literal["text", "json"]
    color: bool
    reports: Path | None = None  # where evidence is kept in place of `reports/` beside the file

    @property
    def json(self) -> bool:
        """Whether stdout must hold exactly one JSON document."""
        return self.output == "json"


def hoist(arguments: Sequence[str]) -> list[str]:
    """Move the global options to the front, so that they may stand after the command as well.

    A `--wait` without a number gets one.
    """
    front: list[str] = []
    rest: list[str] = []
    queue = list(arguments)
    while queue:
        argument = queue.pop(0)
        if argument == "--":
            rest += [argument, *queue]
            break
        if argument in FLAGS or ATTACHED.match(argument):
            front.append(argument)
        elif argument in WITH_VALUE and queue:
            front += [argument, queue.pop(0)]
        elif argument == "--wait" and not (queue and SECONDS.fullmatch(queue[0])):
            rest += [argument, str(LONGEST_WAIT)]
        else:
            rest.append(argument)
    return front + rest
