"""What every reader of evidence.json relies on: that its fields are there, and of their kinds. Pure."""

from __future__ import annotations

import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# What reading JSON of any shape may raise.
UNREADABLE = (
    ValueError,
    KeyError,
    TypeError,
    IndexError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)


def find_misfit(evidence: object) -> str | None:
    """Return the first field that the index, the history or the metrics would miss; None: all fit."""
    if not isinstance(evidence, dict):
        return "it is no JSON object"
    for path, fits in FIELDS.items():
        group, _, key = path.rpartition(".")
        holder = evidence.get(group) if group else evidence
        if not isinstance(holder, dict) or key not in holder:
            return f"`{path}` is missing"
        if not fits(holder[key]):
            return f"`{path}` is of another kind"
    return None


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and abs(value) < MOST and math.isfinite(value)


def _is_time(value: Any) -> bool:
    try:
        datetime.fromisoformat(value).timestamp()
    except UNREADABLE:
        return False
    return True


MOST = 10**15
FIELDS: Mapping[str, Callable[[Any], bool]] = {
    "release": _is_text,
    "outcome": _is_text,
    "what.service": _is_text,
    "what.version": _is_text,
    "when.ended": _is_time,
    "when.seconds": _is_number,
    "verdict.lossless": lambda value: value is None or isinstance(value, bool),
    "verdict.text": _is_text,
    "witness.sent": _is_number,
    "witness.lost": _is_number,
    "witness.longest_gap_ms": _is_number,
}
