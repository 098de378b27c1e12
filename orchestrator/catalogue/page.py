"""The catalogue as a page for a browser, with its own rows in it as data. Pure."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from orchestrator.catalogue.sparks import (
    HEIGHT,
    TREND_HEIGHT,
    TREND_WIDTH,
    WIDTH,
    draw_latencies,
    draw_rates,
    draw_trend,
)
from orchestrator.outline import BAD, GOOD, WARN, Sign, choose_sign
from orchestrator.pages import Pages

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.catalogue.rows import Row

SCHEMA = 1  # of the rows: another number, and they are all read anew
BLOCK = re.compile(r'(?s)<script type="application/json" id="rows">(.*?)</script>')


class Headline(NamedTuple):
    """All releases and load tests in a line."""

    level: str
    sign: str
    text: str


def render_catalogue(releases: Sequence[Row], benches: Sequence[Row]) -> str:
    """Return index.html: one file that needs no other and no network. Rows come newest first."""
    values = {
        "schema": SCHEMA,
        "headline": tell_all(releases, benches),
        "releases": releases,
        "benches": benches,
        "scripts": group_scripts(benches),
        "size": (WIDTH, HEIGHT),
        "trend_size": (TREND_WIDTH, TREND_HEIGHT),
    }
    return PAGES.render("index.html.j2", values, escaped=True)


def find_rows(page: str) -> dict[str, list[Any]]:
    """Return the rows that a page was made of, unchecked; none where it is damaged or of others."""
    found = BLOCK.search(page)
    try:
        facts = json.loads(found[1]) if found else None
    except (ValueError, RecursionError):
        return {}
    if not isinstance(facts, dict) or facts.get("schema") != SCHEMA:
        return {}
    return {name: rows for name, rows in facts.items() if isinstance(rows, list)}


def tell_all(releases: Sequence[Row], benches: Sequence[Row]) -> Headline:
    """Return how many there are, and what became of all requests of the witnesses."""
    sent, lost = (sum(row[name] for row in releases) for name in ("sent", "lost"))
    sign = BAD if lost else GOOD if sent else WARN
    requests = (
        f"{sent:,} witness requests sent, {lost:,} lost" if sent else "no witness request sent"
    )
    told = (_count(releases, "release"), requests, _count(benches, "load test"))
    return Headline(*sign, "; ".join(told))


def group_scripts(benches: Sequence[Row]) -> dict[str, list[Row]]:
    """Return load tests by script, in the order in which they come."""
    scripts: dict[str, list[Row]] = {}
    for bench in benches:
        scripts.setdefault(bench["script"], []).append(bench)
    return scripts


def _count(rows: Sequence[Row], name: str) -> str:
    return f"{len(rows):,} {name}{'' if len(rows) == 1 else 's'}" if rows else f"no {name}"


def _sign_release(row: Mapping[str, Any]) -> Sign:
    return choose_sign(row["outcome"], lossless=row["lossless"])


def _sign_bench(row: Mapping[str, Any]) -> Sign:
    return GOOD if row["passed"] else BAD


PAGES = Pages(
    {
        "rates": draw_rates,
        "latencies": draw_latencies,
        "trend": draw_trend,
        "release_sign": _sign_release,
        "bench_sign": _sign_bench,
        "moment": lambda started: started[:19].replace("T", " "),
    }
)
