"""k6, which drives traffic: the one on the path, else the one in the virtual environment."""

from __future__ import annotations

from pathlib import Path

import system
from commands import output
from steps import SetupError


def prepare(root: Path) -> str:
    """Name the k6 that will be used, after it has run."""
    for program in (system.program("k6"), str(root / ".venv" / "bin" / "k6")):
        told = output(program, "version") if program else None
        if program and told:
            return f"{' '.join(told.split()[:2])}, {location(program, root)}"
    raise SetupError(
        "no `k6` runs here, neither on the path nor in .venv", "rm -r .venv && make setup"
    )


def location(program: str, root: Path) -> str:
    """Name a file of the checkout by its place in it."""
    path = Path(program)
    return str(path.relative_to(root)) if path.is_relative_to(root) else program
