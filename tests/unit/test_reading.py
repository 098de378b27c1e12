"""`evidence show` on a terminal: drawn, in a reader's order, and leafed through where it is long."""

from __future__ import annotations

import sys
from io import StringIO
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from orchestrator.evidence.report import render_page
from orchestrator.reading import arrange, read_page
from tests.fakes.world import World

if TYPE_CHECKING:
    from pathlib import Path

PAGE = """\
# web v2: released

**Nothing was lost.**

| | |
|---|---|
| release | `r1` |

## Why it failed

It is *not* well.

## What users saw

| witness | |
|---|---|
| **lost** | **0** |

<details><summary>each lost request</summary>

| lost after |
|---|
| 1 s |

</details>
"""


def test_the_losses_come_before_all_else() -> None:
    """Then the facts of the release, and the rest in its order; nothing is folded."""
    heads = [line for line in arrange(PAGE).splitlines() if line.startswith("#")]

    assert heads == [
        "# web v2: released",
        "## What users saw",
        "## The release",
        "## Why it failed",
    ]
    assert "*each lost request*" in arrange(PAGE)
    assert "details" not in arrange(PAGE)


def read(text: str, height: int, environment: dict[str, str], columns: int = 80) -> list[str]:
    """Return the lines that a terminal of that size shows."""
    out = StringIO()
    screen = Console(file=out, width=columns, height=height, color_system=None, force_terminal=True)
    read_page(screen, text, environment)
    return out.getvalue().splitlines()


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_a_page_of_a_release_is_drawn(tmp_path: Path, columns: int) -> None:
    """No Markdown is left, and no line is wider than the terminal."""
    world = World(tmp_path).begin()
    lines = read(render_page(world.evidence(world.deploy("v2"))), 1000, {}, columns)

    assert not [line for line in lines if line.startswith(("#", "|", "<")) or "**" in line]
    assert max(map(len, lines)) <= columns
    assert any("What users saw" in line for line in lines)


def test_a_name_that_is_longer_than_its_column_is_not_cut() -> None:
    """It goes on in the next line, so nobody has to open the file to copy it."""
    name = f"20260729-101146-{'long-' * 20}v1"
    lines = read(f"# one\n\n| | |\n|---|---|\n| release | `{name}` |\n", 1000, {})
    drawn = "".join(line.strip() for line in lines)
    assert name in drawn.replace("release", "").replace(" ", "")


def test_what_would_move_the_cursor_is_shown() -> None:
    """Evidence quotes containers and clients."""
    assert "\x1b[2J" not in "\n".join(read("a \x1b[2J b", 10, {}))


def test_a_long_page_is_leafed_through(tmp_path: Path) -> None:
    """In the pager that the environment names; a short one is not; without a pager all is printed."""
    kept = tmp_path / "kept"
    script = f"import pathlib, sys; pathlib.Path({str(kept)!r}).write_text(sys.stdin.read())"
    pager = {"PAGER": f'{sys.executable} -c "{script}"'}

    assert read(PAGE, 5, pager) == []
    assert "What users saw" in kept.read_text()
    kept.unlink()
    assert read(PAGE, 100, pager)
    assert not kept.exists()
    for broken in ("/nonexistent/pager", "'"):
        assert read(PAGE, 5, {"PAGER": broken}) == read(PAGE, 100, {})
