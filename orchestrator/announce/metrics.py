"""Releases as metrics, for the textfile collector of Prometheus's node exporter."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from orchestrator.outline import sum_gaps, to_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping


class Metric(NamedTuple):
    """One metric family."""

    name: str
    kind: str
    help: str


TOTAL = Metric(
    "stackctl_release_total", "counter", "Releases by outcome, as far as evidence is kept."
)
LAST: tuple[tuple[Metric, Callable[[Mapping[str, Any]], float]], ...] = (
    (
        Metric("stackctl_release_timestamp_seconds", "gauge", "When the last release ended."),
        lambda evidence: datetime.fromisoformat(evidence["when"]["ended"]).timestamp(),
    ),
    (
        Metric("stackctl_release_duration_seconds", "gauge", "How long the last release took."),
        lambda evidence: float(evidence["when"]["seconds"]),
    ),
    (
        Metric(
            "stackctl_release_requests",
            "gauge",
            "Requests that the witness of the last release sent.",
        ),
        lambda evidence: float(evidence["witness"]["sent"]),
    ),
    (
        Metric("stackctl_release_requests_lost", "gauge", "Requests that the last release lost."),
        lambda evidence: float(evidence["witness"]["lost"]),
    ),
    (
        Metric(
            "stackctl_release_requests_turned_away",
            "gauge",
            "Requests that were told to come back while the last release had closed the service.",
        ),
        lambda evidence: to_number(evidence["witness"].get("turned_away")),
    ),
    (
        Metric(
            "stackctl_release_requests_unseen",
            "gauge",
            "Requests of which nobody knows, since the way to the gateway was cut in the last release.",
        ),
        lambda evidence: to_number(evidence["witness"].get("unseen")),
    ),
    (
        Metric(
            "stackctl_release_requests_refused",
            "gauge",
            "Requests in HTTP/2 that the gateway had not looked at in the last release: clients send them again.",
        ),
        lambda evidence: to_number(evidence["witness"].get("refused")),
    ),
    (
        Metric(
            "stackctl_release_gap_seconds",
            "gauge",
            "How long nobody worked, since one version had to end before the other.",
        ),
        sum_gaps,
    ),
)


def to_metrics(stack: str, releases: Iterable[Mapping[str, Any]]) -> str:
    """Return the text of a metrics file; `releases` is all evidence, newest first."""
    totals: Counter[tuple[str, str]] = Counter()
    newest: dict[str, Mapping[str, Any]] = {}
    for evidence in releases:
        service = str(evidence["what"]["service"])
        totals[service, str(evidence["outcome"])] += 1
        newest.setdefault(service, evidence)
    lines = _head(TOTAL)
    for (service, outcome), number in sorted(totals.items()):
        lines.append(_line(TOTAL, {"stack": stack, "service": service, "outcome": outcome}, number))
    for metric, read in LAST:
        lines += _head(metric)
        for service, evidence in sorted(newest.items()):
            labels = {
                "stack": stack,
                "service": service,
                "version": str(evidence["what"]["version"]),
                "outcome": str(evidence["outcome"]),
            }
            lines.append(_line(metric, labels, read(evidence)))
    return "\n".join(lines) + "\n"


def _head(metric: Metric) -> list[str]:
    return [f"# HELP {metric.name} {metric.help}", f"# TYPE {metric.name} {metric.kind}"]


def _line(metric: Metric, labels: Mapping[str, str], value: float) -> str:
    told = ",".join(f'{name}="{_escape(text)}"' for name, text in labels.items())
    return (
        f"{metric.name}{{{told}}} {value:g}"
        if value < 1e6
        else f"{metric.name}{{{told}}} {value:.3f}"
    )


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
