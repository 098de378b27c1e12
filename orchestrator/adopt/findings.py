"""What became of each key of a compose file: taken over, changed, left out or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

from orchestrator.stack.filled import to_printable

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["took", "changed", "left", "refused"]
LONGEST = 300  # characters of a finding: foreign text may be endless


class Unfit(ValueError):
    """Something of a compose file that cannot be taken over; the words are the reason."""


class Finding(NamedTuple):
    """One key of a compose file, by its path, and what became of it."""

    kind: Kind
    key: str
    text: str


class Findings:
    """All findings, in the order of the file. Each key is in one of them."""

    def __init__(self) -> None:
        self._found: dict[str, Finding] = {}

    def __iter__(self) -> Iterator[Finding]:
        """Yield them in order."""
        return iter(self._found.values())

    def took(self, key: str, text: str) -> None:
        """Say that a key means the same in stack.yaml."""
        self._add("took", key, text)

    def changed(self, key: str, text: str) -> None:
        """Say that a key was taken over, and means something else."""
        self._add("changed", key, text)

    def left(self, key: str, text: str) -> None:
        """Say that a key was left out, and why."""
        self._add("left", key, text)

    def refused(self, key: str, text: str) -> None:
        """Say that a key was left out on purpose: stackctl never grants that."""
        self._add("refused", key, text)

    def of(self, kind: Kind) -> list[Finding]:
        """Return those of one kind."""
        return [finding for finding in self if finding.kind == kind]

    def drop_below(self, key: str) -> None:
        """Forget what was found below a key: it is told as a whole."""
        for other in [each for each in self._found if each.startswith(f"{key}.")]:
            del self._found[other]

    def covers(self, key: str) -> bool:
        """Whether something is said of a key, or of what is below it."""
        return key in self._found or any(each.startswith(f"{key}.") for each in self._found)

    def _add(self, kind: Kind, key: str, text: str) -> None:
        self._found[key] = Finding(kind, shorten(key), shorten(text))


def shorten(text: object) -> str:
    """Return foreign text in one printable line that is not too long."""
    line = to_printable(str(text))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
