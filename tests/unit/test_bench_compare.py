"""Two sets of runs: slower is said only of what is sure and large."""

from __future__ import annotations

import pytest

from orchestrator.bench.compare import (
    Change,
    choose_turns,
    compare,
    compare_figure,
    judge,
    rank_test,
)

BASE = [100.0, 101.0, 102.0, 103.0, 104.0]


@pytest.mark.parametrize(
    ("low", "high", "chance"),
    [
        ([1, 2, 3], [4, 5, 6], 1 / 20),
        ([4, 5, 6], [1, 2, 3], 1.0),
        ([1, 2, 3, 5], [4, 6, 7], 2 / 35),
        ([1, 2, 3, 4, 5], [6, 7, 8, 9, 10], 1 / 252),
        ([1, 2, 3, 4, 6], [5, 7, 8, 9, 10], 2 / 252),
        ([1, 1], [1, 1], 1.0),
        ([1, 2], [2, 3], 1 / 3),  # both 2s have rank 2.5: 2 of 6 deals reach 6.5
    ],
    ids=["apart", "reversed", "one_between", "five", "one_crossed", "equal", "tie"],
)
def test_the_rank_test_is_exact(low: list[float], high: list[float], chance: float) -> None:
    """Answers that can be counted by hand."""
    assert rank_test(low, high) == pytest.approx(chance)


def test_many_runs_are_counted_too() -> None:
    """Fifty against fifty needs no list of all the ways."""
    assert rank_test(range(50), range(50, 100)) < 1e-25


@pytest.mark.parametrize(
    ("now", "verdict"),
    [
        ([value * 1.2 for value in BASE], "slower"),
        ([value * 0.8 for value in BASE], "faster"),
        ([value * 1.08 for value in BASE], "same"),
        ([125.0, 126.0, 127.0, 99.0, 100.5], "same"),
        (BASE, "same"),
        ([200.0, 201.0], "undecided"),
    ],
    ids=["sure_and_large", "better", "sure_but_small", "large_but_noise", "equal", "too_few"],
)
def test_slower_is_sure_and_large(now: list[float], verdict: str) -> None:
    """At 1 % of chance and at least 10 % worse, and only where there are runs enough to tell."""
    assert compare_figure("p95_ms", BASE, now).verdict == verdict


@pytest.mark.parametrize(
    ("base", "factor", "verdict"),
    [
        (BASE, 1.2, "slower"),
        (BASE, 0.8, "faster"),
        (BASE, 1.08, "same"),
        ([94.0, 97.0, 100.0, 103.0, 106.0], 1.2, "undecided"),
        ([94.0, 97.0, 100.0, 103.0, 106.0], 0.85, "undecided"),
        ([94.0, 97.0, 100.0, 103.0, 106.0], 1.5, "slower"),
    ],
    ids=["steady", "better", "small", "unsteady", "unsteady_better", "far_apart"],
)
def test_between_two_moments_a_machine_may_change_by_itself(
    base: list[float], factor: float, verdict: str
) -> None:
    """By as much more as its runs differ among themselves; in turns it meets both alike."""
    now = [value * factor for value in base]
    assert compare_figure("p50_ms", base, now, apart=True).verdict == verdict
    assert compare_figure("p50_ms", base, now).verdict != "undecided"


@pytest.mark.parametrize(("factor", "verdict"), [(0.8, "slower"), (1.2, "faster")])
def test_a_lower_rate_is_slower(factor: float, verdict: str) -> None:
    """Of requests a second, fewer are worse."""
    change = compare_figure("rate", BASE, [value * factor for value in BASE])
    assert change.verdict == verdict
    assert change.change == pytest.approx(factor - 1, abs=0.001)


def test_nothing_before_is_no_change_in_percent() -> None:
    """A baseline without requests has no share to tell."""
    change = compare_figure("p50_ms", [0.0] * 5, [1.0] * 5)
    assert (change.change, change.verdict) == (None, "same")


def test_each_figure_is_compared() -> None:
    """Latencies and the rate, from each run."""
    runs = [{"p10_ms": 1.0, "p50_ms": value, "p95_ms": 2 * value, "rate": 9.0} for value in BASE]
    slow = [{**run, "p95_ms": run["p95_ms"] * 1.5} for run in runs]
    changes = compare(runs, slow)
    assert [(change.figure, change.verdict) for change in changes] == [
        ("p10_ms", "same"),
        ("p50_ms", "same"),
        ("p95_ms", "slower"),
        ("rate", "same"),
    ]
    assert judge(changes) == "slower"


def test_work_that_takes_longer_is_found_in_spite_of_a_busy_machine() -> None:
    """What waits for the machine hides it in the middle of the requests, not in the fastest ones."""
    waits = [1.0, 3.0, 1.5, 5.0, 2.0]
    before = [{"p10_ms": 4.0 + n / 10, "p50_ms": 5.0 * wait} for n, wait in enumerate(waits)]
    now = [{"p10_ms": 4.8 + n / 10, "p50_ms": 6.0 * wait} for n, wait in enumerate(waits)]
    runs = [[{**run, "p95_ms": 9.0, "rate": 9.0} for run in side] for side in (before, now)]
    verdicts = {change.figure: change.verdict for change in compare(*runs)}
    assert verdicts == {"p10_ms": "slower", "p50_ms": "same", "p95_ms": "same", "rate": "same"}


def test_a_baseline_of_before_is_compared_by_what_it_has() -> None:
    """An earlier stackctl kept fewer figures."""
    runs = [{"p10_ms": 1.0, "p50_ms": value, "p95_ms": 2.0, "rate": 9.0} for value in BASE]
    old = [{name: run[name] for name in ("p50_ms", "p95_ms", "rate")} for run in runs]
    assert [change.figure for change in compare(old, runs)] == ["p50_ms", "p95_ms", "rate"]


@pytest.mark.parametrize(
    ("verdicts", "judged"),
    [
        (["same", "same"], "same"),
        (["faster", "same"], "faster"),
        (["faster", "slower"], "slower"),
        (["undecided", "undecided"], "undecided"),
    ],
    ids=["same", "faster", "mixed", "undecided"],
)
def test_what_is_worse_outweighs_what_is_better(verdicts: list[str], judged: str) -> None:
    """One verdict for all figures."""
    changes = [Change("rate", 1, 1, 0, 1, verdict) for verdict in verdicts]  # type: ignore[arg-type]
    assert judge(changes) == judged


def test_versions_take_turns_fairly() -> None:
    """As many runs each, and a machine that grows slower all the time costs both the same."""
    turns = choose_turns(4)
    assert turns == [True, False, False, True, True, False, False, True]
    late = sum(place if mine else -place for place, mine in enumerate(turns))
    assert late == 0
    assert sorted(choose_turns(5)) == [False] * 5 + [True] * 5
