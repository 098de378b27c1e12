"""What came of the cases, in words: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.drill.verdict import find_problems

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.drill.verdict import Observation, Toll


def describe_case(seen: Observation) -> str:
    """Return one case in a line, and what was not as it was promised in more."""
    problems = list(find_problems(seen))
    word = "FAILED  " if problems else "survived"
    lines = [f"{word} {seen.case}: {describe_toll(seen.toll)}; users have {seen.after}"]
    return "\n".join([*lines, *(f"           {problem}" for problem in problems)])


def describe_toll(toll: Toll) -> str:
    """Return what a fault cost."""
    told = f"{toll.lost} of {toll.sent:,} requests lost"
    if toll.in_flight:
        told += f", {toll.in_flight} in flight on what was ended"
    if toll.cut_off:
        told += f", {toll.cut_off} in {toll.seconds:g} s without a gateway"
    return told


def describe_all(observations: Sequence[Observation]) -> str:
    """Return the verdict on all cases."""
    survived = sum(not list(find_problems(seen)) for seen in observations)
    sent = sum(seen.toll.sent for seen in observations)
    lost = sum(seen.toll.lost for seen in observations)
    return f"{survived} of {len(observations)} faults survived: {lost} of {sent:,} requests lost"


def to_document(observations: Sequence[Observation]) -> dict[str, object]:
    """Return all cases as JSON values."""
    cases = [seen.facts() for seen in observations]
    survived = sum(not case["problems"] for case in cases)
    return {"survived": survived, "faults": len(cases), "cases": cases}
