"""A page of Markdown for whoever sits at a terminal: drawn, and leafed through where it is long."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

from orchestrator.errors import show_controls
from orchestrator.shell import page
from orchestrator.signals import put_off

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.console import Console as Stream
    from rich.console import ConsoleOptions, RenderResult
    from rich.markdown import Markdown

FIRST = "What users saw"  # the section that people look for
FACTS = "\n| | |\n"  # the table that a page begins with
FOLD = re.compile(r"<details><summary>(.*?)</summary>")
PAGER = "less"
OF_LESS = "FRX"  # leave colors as they are, and end at once where all fits


def read_page(stream: Stream, text: str, environment: Mapping[str, str]) -> None:
    """Draw Markdown on a terminal; where it is longer than that, in `$PAGER` or less."""
    with stream.capture() as drawn:
        stream.print(_to_markdown(arrange(text)))
    lines = drawn.get()
    if lines.count("\n") >= stream.height and _leaf_through(lines, environment):
        return
    stream.out(lines, end="", highlight=False)


def _to_markdown(text: str) -> Markdown:
    """Return what draws a page. A name or a hash that is longer than its column goes on below: it is there to
    be copied.
    """
    from rich.markdown import Markdown, TableElement
    from rich.table import Table

    class Folding(TableElement):
        def __rich_console__(self, console: Stream, options: ConsoleOptions) -> RenderResult:
            for drawn in super().__rich_console__(console, options):
                for column in drawn.columns if isinstance(drawn, Table) else ():
                    column.overflow = "fold"
                yield drawn

    class Page(Markdown):
        elements = {**Markdown.elements, "table_open": Folding}  # noqa: RUF012  as the library has it

    return Page(text, hyperlinks=False)


def arrange(text: str) -> str:
    """Return an evidence page in the order of a reader: the verdict, what was lost, and the rest.

    A terminal folds nothing: what a browser folds becomes a line above it.
    """
    text = FOLD.sub(r"*\1*", show_controls(text)).replace("</details>", "")
    head, *sections = re.split(r"^## ", text, flags=re.MULTILINE)
    title, _, facts = head.partition(FACTS)
    said = [title, *(f"## {one}" for one in sections if one.startswith(FIRST))]
    if facts:
        said.append(f"## The release\n{FACTS}{facts}")
    return "\n".join([*said, *(f"## {one}" for one in sections if not one.startswith(FIRST))])


def _leaf_through(lines: str, environment: Mapping[str, str]) -> bool:
    """Show lines in the pager; return whether there is one."""
    try:
        argv = shlex.split(environment.get("PAGER") or PAGER)
        with put_off():  # Ctrl-C is the pager's: without us it would leave the terminal as it is
            page(argv, {"LESS": OF_LESS, **environment}, lines)
    except (OSError, ValueError):
        return False
    return True
