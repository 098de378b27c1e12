"""What every page reads off a release's evidence: how it ended, and when users moved. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

Evidence = Mapping[str, Any]


DONE = {"restart": "restarted", "scale": "scaled"}  # what else than a release


def tell_done(command: str) -> str:
    """Return what was done to a service, in one word."""
    return DONE.get(command, "released")


class Sign(NamedTuple):
    """How something ended, at a glance."""

    level: str  # good, warn or bad
    sign: str


GOOD, WARN, BAD = Sign("good", "✓"), Sign("warn", "!"), Sign("bad", "✕")


def choose_sign(outcome: str, *, lossless: bool | None) -> Sign:
    """Return the sign of a release; whether it lost requests is None where nobody asked."""
    if lossless is False or outcome == "failed_unsafe":
        return BAD
    return GOOD if lossless and outcome == "deployed" else WARN


def sum_gaps(evidence: Evidence, *, closed: bool = False) -> float:
    """Return for how many seconds nobody worked; `closed`: of these, as users were told to come back."""
    gaps = evidence.get("gaps")
    told = [gap for gap in gaps if isinstance(gap, Mapping)] if isinstance(gaps, list) else []
    return sum(to_number(gap.get("seconds")) for gap in told if gap.get("closed") or not closed)


def to_number(value: object) -> float:
    """Return a number as it is, and 0 for what is none: other evidence than ours may lie there."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value)


def to_start(evidence: Evidence) -> float:
    """Return the Unix time at which a release started."""
    return datetime.fromisoformat(evidence["when"]["started"]).timestamp()


def to_offset(evidence: Evidence, moment: str) -> float | None:
    """Return the seconds from the start to a moment: an ISO time, or `switch`, when users moved."""
    if moment == "switch":
        # Evidence of a release that reloaded NGINX has no moves: there a config was the switch.
        moves = [move["at"] for move in evidence.get("moves", ()) if move["step"] == "promoted"]
        configs = [c["at"] for c in evidence["configs"] if c["config"].endswith(".promote")]
        switched = moves or configs
        return to_offset(evidence, switched[-1]) if switched else None
    return datetime.fromisoformat(moment).timestamp() - to_start(evidence)
