"""All that is told of a load test, besides its report: JUnit, and what a CI system shows of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.announce.github import write_summary
from orchestrator.announce.junit import bench_to_junit
from orchestrator.announce.markers import annotate
from orchestrator.announce.target import write_target
from orchestrator.bench.report import render_page
from orchestrator.errors import StackctlError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


def tell_objectives(
    document: Mapping[str, Any], environment: Mapping[str, str], junit: Path | None
) -> StackctlError | None:
    """Tell of a load test; return what could not be told: the load is over and stays measured."""
    if document["error"] is None and not document["verdict"]["passed"]:
        name, verdict = document["script"]["name"], document["verdict"]["text"]
        annotate(environment, f"load test {name}: {verdict}")
    ways: list[Callable[[], None]] = []
    if environment.get("GITHUB_STEP_SUMMARY"):
        ways.append(lambda: write_summary(environment, render_page(document, None)))
    if junit is not None:
        ways.append(lambda: write_target(junit, bench_to_junit(document)))
    troubles = [trouble for tell in ways if (trouble := _try(tell))]
    return next(iter(troubles), None)


def _try(tell: Callable[[], None]) -> StackctlError | None:
    try:
        tell()
    except StackctlError as error:
        return error
    return None
