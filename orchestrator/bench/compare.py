"""Whether a load test was slower than another, with the noise of both taken into account: pure."""

from __future__ import annotations

from collections import Counter
from math import sqrt
from statistics import mean, median, variance
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ALPHA = 0.01  # the chance at which mere noise may look like a difference
LEAST = 0.10  # the change that is worth a word, however sure it is
# A machine that differs from one run to the next differs by more from one minute to another: while
# nothing else had changed, by up to 3.8 standard deviations of single runs (20 comparisons).
MOODS = 4
# The fastest tenth has hardly waited for anything: it tells what the work itself takes, and is the
# steadiest figure on a machine that has other things to do.
WORSE_IF = {"p10_ms": "higher", "p50_ms": "higher", "p95_ms": "higher", "rate": "lower"}

Verdict = Literal["slower", "faster", "same", "undecided"]


class Change(NamedTuple):
    """One figure in two sets of runs."""

    figure: str
    baseline: float  # medians of the runs
    now: float
    change: float | None  # of the whole: 0.1 is 10 % more; None where there was nothing before
    p: float  # the chance that runs of the same thing differ as much, in this direction
    verdict: Verdict


def compare(
    baseline: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]], *, apart: bool = False
) -> list[Change]:
    """Hold the figures of runs against those of a baseline's runs, which may have fewer.

    Where they are `apart` in time, a difference may be the machine's own.
    """
    return [
        compare_figure(
            name, [run[name] for run in baseline], [run[name] for run in now], apart=apart
        )
        for name in WORSE_IF
        if all(name in run for run in baseline)
    ]


def choose_turns(runs: int) -> list[bool]:
    """Return whose turn each run is, `runs` for either side: AB BA AB …, True for the first.

    A machine that grows slower from run to run so costs both sides the same.
    """
    pairs = [(True, False) if number % 2 == 0 else (False, True) for number in range(runs)]
    return [turn for pair in pairs for turn in pair]


def can_tell(baseline: int, now: int) -> bool:
    """Return whether so many runs, if they were all different, would be sure to be so."""
    return rank_test([0.0] * baseline, [1.0] * now) <= ALPHA


def compare_figure(
    name: str, baseline: Sequence[float], now: Sequence[float], *, apart: bool = False
) -> Change:
    """Say what became of one figure: a difference must be sure, and large enough to matter."""
    before, after = median(baseline), median(now)
    grown = after >= before
    p = rank_test(baseline, now) if grown else rank_test(now, baseline)
    change = (after - before) / before if before else None
    verdict: Verdict = "same"
    if not can_tell(len(baseline), len(now)):
        verdict = "undecided"
    elif p <= ALPHA and change is not None and abs(round(change, 9)) >= LEAST:
        worse = grown == (WORSE_IF[name] == "higher")
        verdict = "slower" if worse else "faster"
        if apart and abs(after - before) < MOODS * spread(baseline, now):
            verdict = "undecided"
    return Change(name, before, after, None if change is None else round(change, 4), p, verdict)


def rank_test(low: Sequence[float], high: Sequence[float]) -> float:
    """Return the chance that `high` ranks as high among all as it does, if there is no difference.

    The Mann-Whitney test, one-sided and exact: all ways to deal the ranks are counted, and equal
    values share the mean of their ranks.
    """
    ranks = _rank([*low, *high])
    seen = sum(ranks[len(low) :])
    ways: list[Counter[int]] = [Counter() for _ in range(len(high) + 1)]  # by size: sum -> ways
    ways[0][0] = 1
    for rank in ranks:
        for size in range(len(high), 0, -1):
            for total, number in ways[size - 1].items():
                ways[size][total + rank] += number
    dealt = ways[len(high)]
    return sum(number for total, number in dealt.items() if total >= seen) / dealt.total()


def spread(*sides: Sequence[float]) -> float:
    """Return the standard deviation of single runs, pooled over the sides that have some."""
    return sqrt(mean(variance(side) for side in sides if len(side) > 1))


def _rank(values: Sequence[float]) -> list[int]:
    """Return twice the rank of each value, so that shared ranks are whole numbers too."""
    ordered = sorted(values)
    first = {value: place for place, value in reversed(list(enumerate(ordered)))}
    last = {value: place for place, value in enumerate(ordered)}
    return [first[value] + last[value] + 2 for value in values]


def judge(changes: Sequence[Change]) -> Verdict:
    """Return one verdict for all figures: one that is worse outweighs those that are better."""
    verdicts = {change.verdict for change in changes}
    order: tuple[Verdict, ...] = ("slower", "undecided", "faster")
    return next((verdict for verdict in order if verdict in verdicts), "same")
