"""What a builder or the engine says, without the values that it was given."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from urllib.parse import quote_plus

from orchestrator.errors import show_controls

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

# Characters: whatever is shorter stands in any text by chance, and can be guessed.
SHORTEST = 4


class Redaction:
    """Puts `${NAME}` where a value stands that came from a variable, a build argument or a secret.

    BuildKit writes out the arguments of a step, steps print what they like, and an address of the
    engine's API has all arguments in it. What a `public` text has, such as an image's tag, is no secret.
    """

    def __init__(self, values: Iterable[tuple[str, str]], public: str = "") -> None:
        self._public = public
        self._names: dict[str, str] = {}
        self.learn(values)

    def learn(self, values: Iterable[tuple[str, str]]) -> None:
        """Know further values from now on."""
        self._names |= {
            piece: name
            for name, value in values
            for piece in _spell(value)
            if len(piece) >= SHORTEST and piece not in self._public
        }
        longest_first = sorted(self._names, key=len, reverse=True)
        self._pieces = re.compile("|".join(map(re.escape, longest_first)) or r"(?!)")

    def apply(self, text: str) -> str:
        """Return a text without the values."""
        return self._pieces.sub(lambda found: f"${{{self._names[found[0]]}}}", text)


def _spell(value: str) -> Iterator[str]:
    """Yield a value as it may be written: whole, in lines, quoted, with its controls shown."""
    for piece in (value, *map(str.strip, value.splitlines())):
        yield from (piece, show_controls(piece), quote_plus(piece))
        yield piece.replace("\\", "\\\\").replace('"', '\\"')
