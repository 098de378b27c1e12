"""What a GitHub step has put out, as its runner reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def read_outputs(file: Path) -> dict[str, str]:
    """Return the values, the last of each: `name=value`, or `name<<END`, lines, and END."""
    found = {}
    lines = iter(file.read_text().splitlines())
    for line in lines:
        name, mark, value = line.partition("=")
        if not mark:
            name, _, end = line.partition("<<")
            value = "\n".join(iter(lambda: next(lines), end))
        found[name] = value
    return found
