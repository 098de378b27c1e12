"""The document that a load test leaves, bench.json: pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from orchestrator.bench.compare import WORSE_IF, can_tell, compare, judge
from orchestrator.bench.figures import (
    draw_columns,
    join_checks,
    join_thresholds,
    measure,
    pool,
    read_checks,
    read_thresholds,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from orchestrator.bench.figures import Label
    from orchestrator.bench.script import Overrides, Script
    from orchestrator.bench.session import Session

SCHEMA = 1
LOAD = "load"  # the one lane of a load test beside which nothing happens

Document = dict[str, Any]


@dataclass(frozen=True)
class Occasion:
    """What a load test was run with, and when."""

    bench: str
    script: Script
    overrides: Overrides
    environment: Mapping[str, Any]
    started: datetime


@dataclass(frozen=True)
class Turns:
    """Which version each run was for, where two of a service took turns."""

    service: str
    now: str  # the one that is judged
    before: str
    runs: Sequence[str]  # the version of each run


def build_document(
    occasion: Occasion,
    session: Session,
    ended: datetime,
    label: Label = lambda _: LOAD,
    turns: Turns | None = None,
) -> Document:
    """Return what was measured, before anything is compared or judged.

    Where two versions took turns, figures, thresholds and checks are those of the one that is
    judged; the runs are all there.
    """
    runs = [list(points) for points in session.points]
    taken = [run for run in runs if run]
    judged = [n for n in range(len(runs)) if turns is None or turns.runs[n] == turns.now]
    summaries = [session.summaries[n] for n in judged if n < len(session.summaries)]
    error = session.error
    started, script = occasion.started, occasion.script
    return {
        "schema": SCHEMA,
        "bench": occasion.bench,
        "script": {"name": script.name, "file": script.file, "sha256": script.sha256},
        "when": {
            "started": started.isoformat(timespec="milliseconds"),
            "ended": ended.isoformat(timespec="milliseconds"),
            "seconds": round((ended - started).total_seconds(), 3),
        },
        "outcome": session.outcome,
        "error": {"message": error.message, "hint": error.hint} if error else None,
        "overrides": asdict(occasion.overrides),
        "environment": dict(occasion.environment),
        "figures": pool([runs[number] for number in judged if runs[number]])._asdict(),
        "runs": [measure(run)._asdict() for run in taken],
        **_read_summaries(summaries),
        "series": draw_columns([point for run in taken for point in run], label),
        "previous": None,
        "turns": None if turns is None else {**asdict(turns), "runs": turns.runs[: len(taken)]},
        "comparison": None,
        "release": None,
    }


def _read_summaries(summaries: Sequence[Mapping[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Return thresholds and checks from k6's summaries, one a run."""
    thresholds = join_thresholds([read_thresholds(one) for one in summaries])
    return {
        "thresholds": [
            {**threshold._asdict(), "limit": threshold.limit, "used": threshold.used}
            for threshold in thresholds
        ],
        "checks": [check._asdict() for check in join_checks([read_checks(s) for s in summaries])],
    }


def compare_previous(document: Document, previous: Mapping[str, Any] | None) -> Document:
    """Add how the figures differ from those of the last load test with this script that ended."""
    if previous is None or document["outcome"] != "completed":
        return document
    changes = [
        {"figure": name, "before": before, "now": now, "change": _grow(before, now)}
        for name in ("rate", "p50_ms", "p95_ms", "p99_ms", "error_rate")
        for before, now in ((previous["figures"][name], document["figures"][name]),)
    ]
    return document | {
        "previous": {
            "bench": previous["bench"],
            "same_load": previous["overrides"] == document["overrides"]
            and previous["script"]["sha256"] == document["script"]["sha256"],
            "changes": changes,
        }
    }


def compare_baseline(document: Document, baseline: Mapping[str, Any] | None) -> Document:
    """Add the verdict against a baseline; without a test that came to its end there is none."""
    if baseline is None or document["outcome"] != "completed":
        return document
    changed = baseline["script"]["sha256"] != document["script"]["sha256"]
    notes = ["the script is not the one of the baseline any more"] if changed else []
    against = f"baseline {baseline['name']}"
    found = _compare(baseline["runs"], document["runs"], against, notes, apart=True)
    return document | {"comparison": {"bench": baseline["bench"], **found}}


def compare_turns(document: Document) -> Document:
    """Add the verdict of two versions that took turns; without all turns there is none."""
    turns = document["turns"]
    if turns is None or document["outcome"] != "completed":
        return document
    sides: dict[str, list[Mapping[str, Any]]] = {turns["before"]: [], turns["now"]: []}
    for version, run in zip(turns["runs"], document["runs"], strict=True):
        sides[version].append(run)
    against = f"{turns['service']} {turns['before']}"
    found = _compare(sides[turns["before"]], sides[turns["now"]], against, [])
    return document | {"comparison": {"bench": document["bench"], **found}}


def add_verdict(document: Document) -> Document:
    """Add whether all is well, and why not."""
    faults = list(_find_faults(document))
    kept = len(document["thresholds"])
    good = f"all {kept} thresholds kept" if kept else "the script has no thresholds"
    good += _tell_good(document["comparison"])
    return document | {"verdict": {"passed": not faults, "text": "; ".join(faults) or good}}


def _tell_good(comparison: Mapping[str, Any] | None) -> str:
    if not comparison:
        return ""
    if comparison["verdict"] == "undecided":
        return f", undecided against {comparison['against']}: {comparison['doubt']}"
    return f", not slower than {comparison['against']}"


def make_baseline(document: Document, name: str) -> Document:
    """Return what later load tests are held against."""
    kept = ("schema", "bench", "script", "overrides", "environment")
    figures = [{key: run[key] for key in (*WORSE_IF, "error_rate")} for run in document["runs"]]
    return {"name": name, **{key: document[key] for key in kept}, "runs": figures}


def tell_change(change: Mapping[str, Any]) -> str:
    """Return a change as signed percent."""
    share = change["change"]
    return "-" if share is None else f"{share:+.1%}"


def _find_faults(document: Document) -> Sequence[str]:
    faults = []
    if document["outcome"] != "completed":
        faults.append(f"{document['outcome'].replace('_', ' ')}: the figures end there")
    missed = [threshold for threshold in document["thresholds"] if not threshold["ok"]]
    if missed:
        faults.append(f"{len(missed)} of {len(document['thresholds'])} thresholds missed")
        away = document["figures"]["turned_away"]
        if away:
            faults.append(
                f"{away:,} told to come back: they fail in k6 unless the script expects 503"
            )
    comparison = document["comparison"]
    if comparison and comparison["verdict"] == "slower":
        faults.append(f"slower than {comparison['against']}: {_list(comparison, 'slower')}")
    release = document["release"]
    if release and release["exit_code"]:
        faults.append(f"the release of {release['service']} {release['version']} failed")
    return faults


def _compare(
    before: Sequence[Mapping[str, Any]],
    now: Sequence[Mapping[str, Any]],
    against: str,
    notes: Sequence[str],
    *,
    apart: bool = False,
) -> dict[str, Any]:
    changes = compare(before, now, apart=apart)
    found = {
        "against": against,
        "runs": [len(before), len(now)],
        "verdict": judge(changes),
        "figures": [change._asdict() for change in changes],
        "notes": list(notes),
    }
    return found | {"doubt": _doubt(found) if found["verdict"] == "undecided" else None}


def _doubt(comparison: Mapping[str, Any]) -> str:
    """Return why there is no verdict."""
    if not can_tell(*comparison["runs"]):
        return "too few runs"
    unsure = _list(comparison, "undecided")
    return f"{unsure} may be the machine itself; let the versions take turns (--alternate)"


def _list(comparison: Mapping[str, Any], verdict: str) -> str:
    """Return the figures of which this was said, with their changes."""
    return ", ".join(
        f"{each['figure'].removesuffix('_ms')} {tell_change(each)}"
        for each in comparison["figures"]
        if each["verdict"] == verdict
    )


def _grow(before: float, now: float) -> float | None:
    return round((now - before) / before, 4) if before else None
