"""Figures that evidence rests on: drawn from samples and log lines, and nothing else."""

from __future__ import annotations

import json

import pytest

from orchestrator.evidence.samples import Client, Sample, count, percentile
from orchestrator.evidence.summary import judge
from orchestrator.gateway.traffic import count_traffic


def sample(at: float, ms: float = 10, lost: str | None = None, client: Client = "fresh") -> Sample:
    """Return one request of the witness."""
    return Sample(at, client, "GET /", 0.0, ms, None if lost else 200, "notes_blue/v1", lost)


def test_figures_are_drawn_from_the_samples() -> None:
    """The longest gap is between two good answers; slow requests do not count for the times."""
    figures = count(
        [sample(0.0), sample(1.0, lost="closed"), sample(2.0, 30), sample(2.5, 2000, None, "slow")]
    )

    assert (figures.sent, figures.ok, figures.lost) == (4, 3, 1)
    assert figures.longest_gap_ms == 2470.0
    assert (figures.p50_ms, figures.p99_ms) == (10, 30)
    assert figures.versions == {"v1": 3}
    assert [loss["lost"] for loss in figures.losses] == ["closed"]


@pytest.mark.parametrize(
    ("percent", "expected"), [(1, 1.0), (50, 5.0), (90, 9.0), (99, 10.0), (100, 10.0)]
)
def test_a_percentile_is_one_of_the_values(percent: int, expected: float) -> None:
    """By nearest rank: never a number that was not measured."""
    assert percentile([float(value) for value in range(1, 11)], percent) == expected
    assert percentile([], percent) == 0.0


@pytest.mark.parametrize(
    ("outcome", "sent", "lost", "lossless"),
    [
        ("deployed", 100, 0, True),
        ("deployed", 100, 1, False),
        ("reverted", 100, 0, True),
        ("deployed", 0, 0, None),
    ],
)
def test_the_verdict_says_what_it_rests_on(
    outcome: str,
    sent: int,
    lost: int,
    lossless: bool | None,  # noqa: FBT001
) -> None:
    """Without requests there is no verdict."""
    assert judge(outcome, {"sent": sent, "lost": lost})["lossless"] is lossless


def test_traffic_of_others_is_passed_over() -> None:
    """Other services, the witness, and lines that are no access log."""
    line = {"target": "notes_green", "status": "404", "version": "v2", "witness": ""}
    log = "\n".join(
        [
            "[warn] not a request",
            "{broken",
            json.dumps(line),
            json.dumps(line | {"witness": "1"}),
            json.dumps(line | {"target": "old-notes_green"}),
            json.dumps(line | {"status": ""}),
        ]
    )

    assert count_traffic(log, "notes").versions == {"v2": {"4xx": 1}}
