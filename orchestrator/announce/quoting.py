"""What others wrote, printed so that no CI system takes it for a command.

A CI system acts upon lines of its log: GitHub on `::add-mask::…` where a line begins and on `##[…]`
anywhere, Azure on `##vso[…]`, TeamCity on `##teamcity[…]`, GitLab on `section_start:…`. A Dockerfile, a
candidate or an answer can print such words. A backslash goes into each that stackctl has not meant.
"""

from __future__ import annotations

import re
import sys
from typing import Any, TextIO, cast

ENDS = r"\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029"  # of lines, as anybody may see them
# Some compare text without what has no width, and trim more than spaces: all but ASCII is passed over.
SPACE, NOTHING = rf"[^!-~{ENDS}]*", rf"[^ -~{ENDS}]*"
COMMAND = re.compile(
    rf"(?:\A|(?<=[{ENDS}])){SPACE}:{NOTHING}(?=:)"
    rf"|#{NOTHING}#{NOTHING}(?:[A-Za-z]{NOTHING})*(?=\[)"
    r"|section_(?:start|end):(?=[0-9])"
)
BLANK = re.compile(SPACE)
LAST_LINE = re.compile(rf"[^{ENDS}]*\Z")
KEPT = 64  # characters of a line that is not at its end, in which a command may have begun


def break_commands(text: str) -> str:
    """Return a text, from the begin of a line on, in which no CI system finds a command of its own."""
    return COMMAND.sub(r"\g<0>\\", text)


def quote_streams() -> None:
    """Let all that is printed from now on be words; `say` still gives commands."""
    sys.stdout = cast("TextIO", Quoted(sys.stdout))
    sys.stderr = cast("TextIO", Quoted(sys.stderr))


def say(stream: TextIO, line: str) -> None:
    """Give a CI system a command of stackctl's own."""
    bare = stream.bare if isinstance(stream, Quoted) else stream
    bare.write(f"{line}\n")
    bare.flush()


class Quoted:
    """A text stream that breaks the commands of others, however they are cut into pieces."""

    def __init__(self, bare: TextIO) -> None:
        self.bare = bare
        self._begun = ""  # the line that is not at its end, as it was printed

    def write(self, text: str) -> int:
        """Print a text."""
        printed = break_commands(self._begun + text)
        self.bare.write(printed[len(self._begun) :])
        line = LAST_LINE.search(printed)
        begun = line[0] if line else ""
        # What may stand before a command is forgotten: it is as if the line had not begun.
        self._begun = "" if BLANK.fullmatch(begun) else begun
        if len(self._begun) > KEPT:
            self._begun = f"x{self._begun[-KEPT:]}"  # no longer where a line begins
        return len(text)

    def writelines(self, lines: list[str]) -> None:
        """Print several."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.bare, name)
