"""A load test as people read it: a few lines, a page for a repository, and one for a browser."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchestrator.bench.archive import BEGIN, END
from orchestrator.bench.document import tell_change
from orchestrator.pages import Pages

if TYPE_CHECKING:
    from collections.abc import Sequence

FAR = 3.0  # times p95, at which p99 is a tail of its own
NEAR = 0.5  # of a limit, from where it is worth a thought
NAMES = {
    "rate": "requests/s",
    "p10_ms": "p10, ms",
    "p50_ms": "p50, ms",
    "p95_ms": "p95, ms",
    "p99_ms": "p99, ms",
    "error_rate": "error rate",
}

Document = Mapping[str, Any]


def summarize(document: Document) -> str:
    """Return a load test in a few lines."""
    found = document["figures"]
    lines = [
        f"{document['script']['name']} {document['outcome'].replace('_', ' ')}: {_tell(found)}"
    ]
    lines += [
        f"  {'ok    ' if each['ok'] else 'MISSED'} {_plain(each['metric'])}"
        f" {_plain(each['condition'])}: {_tell_value(each)}"
        for each in document["thresholds"]
    ]
    lines += [
        f"  MISSED check {_plain(check['name'])}: {check['failed']:,} times"
        for check in document["checks"]
        if check["failed"]
    ]
    lines += [*_tell_parts(document), *_tell_comparison(document)]
    lines.append(document["verdict"]["text"])
    if document["report"] is not None:  # where it could be written
        lines.append(f"report: {document['report']}")
    return "\n".join(lines) + "\n"


def suggest(document: Document) -> str:
    """Return what a person may start from who writes about adjustments."""
    thoughts = [*_find_thoughts(document)]
    return "\n".join(
        [
            "_Write here what was changed for these figures, and why. To start from:_",
            "",
            *(f"- {thought}" for thought in thoughts),
        ]
    )


def render_page(document: Document, adjustments: str | None) -> str:
    """Return report.md; with the adjustments it is the newest report of its script."""
    values = {
        **document,
        "names": NAMES,
        "adjustments": adjustments,
        "begin": BEGIN,
        "end": END,
    }
    return PAGES.render("bench.md.j2", values, escaped=False)


def render_report(document: Document, charts: Sequence[object]) -> str:
    """Return report.html: one file that needs no other and no network."""
    values = {**document, "names": NAMES, "charts": charts, "document": document}
    return PAGES.render("bench.html.j2", values, escaped=True)


def to_code(text: object) -> str:
    """Return a text of others as Markdown's code, which it cannot end, on one line."""
    line = _plain(str(text)).replace("`", "'").replace("|", "¦")
    return f"`{line or ' '}`"


def _find_thoughts(document: Document) -> list[str]:
    found, thoughts = document["figures"], []
    told = [each for each in document["thresholds"] if each["used"] is not None]
    if told:
        nearest = max(told, key=lambda each: each["used"])
        thoughts.append(
            f"The threshold nearest to its limit is {to_code(nearest['metric'])}"
            f" {to_code(nearest['condition'])}: {nearest['used']:.0%} of it is used"
            f" ({_tell_value(nearest)})."
            + ("" if nearest["used"] >= NEAR else " There is room for more load, or a tighter one.")
        )
    if found["p95_ms"] and found["p99_ms"] > FAR * found["p95_ms"]:
        thoughts.append(
            f"p99 ({found['p99_ms']:g} ms) is {found['p99_ms'] / found['p95_ms']:.1f} times p95"
            f" ({found['p95_ms']:g} ms): what do the slowest requests wait for?"
        )
    if found["failed"]:
        thoughts.append(f"{found['failed']:,} of {found['requests']:,} requests failed: which?")
    slow = [s for s in document["environment"].get("services", ()) if s["healthy"] < s["wanted"]]
    thoughts += [
        f"{to_code(s['name'])} ran {s['healthy']} of {s['wanted']} replicas: would more change it?"
        for s in slow
    ]
    return thoughts or ["No threshold and no figure stands out."]


def _tell(found: Mapping[str, Any]) -> str:
    away = f" {found['turned_away']:,} told to come back," if found["turned_away"] else ""
    return (
        f"{found['requests']:,} requests, {found['rate']:,.1f}/s, {found['failed']:,} failed,{away}"
        f" p50 {found['p50_ms']:g} ms, p95 {found['p95_ms']:g} ms, p99 {found['p99_ms']:g} ms"
    )


def _tell_parts(document: Document) -> list[str]:
    release = document["release"]
    if release is None:
        return []
    lines = [f"  release of {release['service']} {release['version']}: {release['outcome']}"]
    return lines + [f"  {name:<7} {_tell(part)}" for name, part in release["parts"].items()]


def _tell_comparison(document: Document) -> list[str]:
    lines = []
    comparison, previous = document["comparison"], document["previous"]
    if comparison:
        told = (
            f"{NAMES[each['figure']]} {tell_change(each)} (p {each['p']:.3f})"
            for each in comparison["figures"]
        )
        verdict = f"  against {_plain(comparison['against'])}: {comparison['verdict']}"
        lines.append(f"{verdict}; {', '.join(told)}")
        lines += [f"  note: {note}" for note in comparison["notes"]]
    elif previous:
        told = (f"{NAMES[each['figure']]} {tell_change(each)}" for each in previous["changes"])
        other = "" if previous["same_load"] else ", another load"
        lines.append(f"  since {previous['bench']}{other}: {', '.join(told)}")
    return lines


def _tell_value(threshold: Mapping[str, Any]) -> str:
    return "not told" if threshold["value"] is None else f"{threshold['value']:g}"


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in " ".join(text.split()))


PAGES = Pages({"code": to_code, "change": tell_change, "value": _tell_value})
