"""What a load test relies on in the reports of others: that it is there, and of its kind. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.bench.compare import WORSE_IF

if TYPE_CHECKING:
    from collections.abc import Mapping

FIGURES = (
    "rate",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "error_rate",
)  # that are held against the last test
OVERRIDES = {"vus": int, "duration": str, "rate": int}
MOST_RUNS = 1000  # of a baseline: all ways to rank them are counted
MOST = 10**12


def fits_previous(document: Mapping[str, Any]) -> bool:
    """Tell whether figures can be held against those of a load test that somebody has left."""
    figures, script = _to_mapping(document.get("figures")), _to_mapping(document.get("script"))
    return (
        all(isinstance(each, str) for each in (document.get("bench"), script.get("sha256")))
        and all(_is_number(figures.get(name)) for name in FIGURES)
        and isinstance(document.get("overrides"), dict)
    )


def fits_baseline(baseline: Mapping[str, Any]) -> bool:
    """Tell whether runs can be held against those of a baseline that somebody has left."""
    script, overrides = _to_mapping(baseline.get("script")), baseline.get("overrides")
    runs = baseline.get("runs")
    return (
        all(
            isinstance(each, str)
            for each in (baseline.get("bench"), baseline.get("name"), script.get("sha256"))
        )
        and isinstance(overrides, dict)
        and all(
            value is None or type(value) is OVERRIDES.get(name) for name, value in overrides.items()
        )
        and overrides.keys() <= OVERRIDES.keys()
        and isinstance(runs, list)
        and 0 < len(runs) <= MOST_RUNS
        and all(isinstance(run, dict) and all(map(_is_number, run.values())) for run in runs)
        and len({frozenset(run.keys() & WORSE_IF.keys()) for run in runs}) == 1
    )


def _to_mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < MOST
