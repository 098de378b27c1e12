"""The evidence as people read it: a page for a browser, and one for a pull request."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

from orchestrator.evidence.charts import draw_charts, draw_timeline
from orchestrator.evidence.sketch import sketch
from orchestrator.evidence.view import (
    CODES,
    count_connections,
    explain_witness,
    list_attempts,
    list_blind,
    list_closes,
    list_losses,
    list_phases,
    list_statuses,
    tell_engine,
    tell_verdict,
    tell_websockets,
)
from orchestrator.outline import to_offset
from orchestrator.pages import Pages

if TYPE_CHECKING:
    from collections.abc import Mapping

MARKUP = re.compile(r"([\\`*_\[\]|~])")
SHORTEST_FENCE = 3


def render_page(evidence: Mapping[str, Any], diff: str = "") -> str:
    """Return evidence.md; the diff between the configs is not part of the evidence itself."""
    values = {
        **evidence,
        **_view(evidence, diff),
        "raw_diff": diff,
        "spans": list_phases(evidence),
        "sketches": {source: sketch(evidence, source) for source in ("witness", "traffic")},
    }
    return PAGES.render("evidence.md.j2", values, escaped=False)


def render_report(evidence: Mapping[str, Any], diff: str) -> str:
    """Return report.html: one file that needs no other and no network."""
    values = {
        **evidence,
        **_view(evidence, diff),
        "evidence": evidence,
        "charts": draw_charts(evidence),
        "timeline": draw_timeline(evidence),
    }
    return PAGES.render("report.html.j2", values, escaped=True)


def mark_line(line: str) -> str:
    """Return what a line of a diff is: `added`, `removed`, `place`, or nothing of these."""
    if line.startswith(("---", "+++", "@@")):
        return "place"
    return {"+": "added", "-": "removed"}.get(line[:1], "")


def to_plain(text: object) -> str:
    """Return a value of others so that Markdown shows it as it is, on one line."""
    line = " ".join(str(text).split())
    return MARKUP.sub(r"\\\1", line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"))


def to_prose(text: object) -> str:
    """Return a sentence of ours, in which backticks mark names."""
    return to_plain(text).replace("\\`", "`")


def to_code(text: object) -> str:
    """Return a value of others as Markdown's code on one line, in a table as well."""
    line = " ".join(str(text).split()).replace("|", "¦")
    fence = "`" * (_longest_run(line) + 1)
    gap = " " if "`" in line else ""
    return f"{fence}{gap}{line}{gap}{fence}"


def to_block(text: str, language: str = "") -> str:
    """Return lines of others as a code block that they cannot end."""
    fence = "`" * max(SHORTEST_FENCE, _longest_run(text) + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _view(evidence: Mapping[str, Any], diff: str) -> dict[str, object]:
    lines = [(mark_line(line), line) for line in diff.splitlines()]
    return {
        "diff": lines,
        "changed": Counter(mark for mark, _ in lines),
        "headline": tell_verdict(evidence),
        "place": tell_engine(evidence),
        "testimony": explain_witness(evidence),
        "codes": CODES,
        "statuses": list_statuses(evidence),
        "attempts": list_attempts(evidence),
        "losses": list_losses(evidence),
        "reasons": evidence["witness"].get("reasons"),  # older evidence does not count them
        "blind": list_blind(evidence),
        "closings": list_closes(evidence),
        "connections": count_connections(evidence),
        "sockets": tell_websockets(evidence),
        "switched": to_offset(evidence, "switch"),
    }


PAGES = Pages({"plain": to_plain, "prose": to_prose, "code": to_code, "block": to_block})
