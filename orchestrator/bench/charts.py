"""The charts of a load test, by the functions that draw those of a release."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.evidence.charts import draw_charts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.evidence.charts import Chart
    from orchestrator.evidence.view import Lane

TITLES = ("Requests a second", "Latency")
STYLES = {"load": "blue", "before": "blue", "during": "other", "after": "green"}


def draw_bench(document: Mapping[str, Any]) -> list[Chart]:
    """Return requests and latencies over time."""
    release, turns = document["release"] or {}, document["turns"]
    styles = STYLES | ({turns["now"]: "blue", turns["before"]: "other"} if turns else {})
    promoted = release.get("promoted")
    series = document["series"]
    evidence = {
        "what": {"version": None},
        "when": {"started": document["when"]["started"]},
        "moves": [{"step": "promoted", "at": promoted}] if promoted else [],
        "configs": [],
        "traffic": {"series": series},
    }
    return [
        _rename(chart, title, styles)
        for chart, title in zip(draw_charts(evidence), TITLES, strict=False)
    ]


def _rename(chart: Chart, title: str, styles: Mapping[str, str]) -> Chart:
    def name(lane: Lane) -> Lane:
        return lane._replace(name=lane.version, style=styles.get(lane.version, "other"))

    return chart._replace(
        title=title,
        lanes=[name(lane) for lane in chart.lanes],
        lines=[line._replace(lane=name(line.lane)) for line in chart.lines],
    )
