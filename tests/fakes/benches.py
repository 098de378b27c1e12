"""A load test's document for tests, without any load."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.bench.archive import to_json, write_whole
from orchestrator.bench.document import (
    Occasion,
    Turns,
    add_verdict,
    build_document,
    compare_turns,
)
from orchestrator.bench.points import Points
from orchestrator.bench.report import render_report
from orchestrator.bench.script import Overrides, Script
from orchestrator.bench.session import Session

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.errors import StackctlError

HOSTILE = "</script><script>alert(1)</script>`|\n<!-- x"
START = datetime(2030, 1, 1, tzinfo=UTC)
HEAD = "metric_name,timestamp,metric_value,expected_response,group,status"
ENVIRONMENT = {
    "k6": "v1.1.0",
    "services": [{"name": "web", "version": "v1", "color": "blue", "healthy": 2, "wanted": 2}],
    "cpus": 2,
    "memory_bytes": 2**33,
}


def make_points(count: int = 100, ms: float = 5.0) -> Points:
    """Return a request each tenth of a second; the last one is slow and has failed."""
    points = Points()
    rows = [
        f"http_req_duration,{(START.timestamp() + n / 10) * 1000:.0f},{ms},true,,200"
        for n in range(count - 1)
    ]
    last = f"http_req_duration,{(START.timestamp() + count / 10) * 1000:.0f},{ms * 50},false,,500"
    points.read([HEAD, *rows, last])
    return points


def make_summary(condition: str = "p(95)<10", *, ok: bool = True, check: str = "is 200") -> Any:
    """Return a summary with one threshold and one check."""
    values = {"p(95)": 5.0}
    return {
        "metrics": {"http_req_duration": {"values": values, "thresholds": {condition: {"ok": ok}}}},
        "root_group": {"checks": [{"name": check, "passes": 99, "fails": 1}]},
    }


def make_document(  # noqa: PLR0913  one argument a fact
    runs: int = 1,
    *,
    name: str = "notes",
    bench: str = "20300101-000000-notes",
    ms: float = 5.0,
    summary: Any = None,
    error: StackctlError | None = None,
    turns: Turns | None = None,
    slower: float = 0.0,
) -> dict[str, Any]:
    """Return the document of a load test with a threshold that is kept.

    Where versions take turns, the one that is judged needs `slower` milliseconds more.
    """
    more = [slower if turns and turns.runs[n] == turns.now else 0.0 for n in range(runs)]
    session = Session(
        points=[make_points(ms=ms + more[number] + number / 100) for number in range(runs)],
        summaries=[summary or make_summary()] * runs,
        outcome="failed" if error else "completed",
        error=error,
    )
    script = Script(Path("/nowhere/k6") / f"{name}.js", f"k6/{name}.js", name, "0" * 64)
    occasion = Occasion(bench, script, Overrides(), ENVIRONMENT, START)
    ended = START + timedelta(seconds=11)
    document = compare_turns(build_document(occasion, session, ended, turns=turns))
    document = add_verdict(document)
    return document | {"report": f"reports/bench/{bench}/report.md"}


def leave_bench(folder: Path, document: dict[str, Any], charts: Sequence[object] = ()) -> Path:
    """Write what a load test leaves that people and the catalogue read."""
    place = folder / "reports" / "bench" / str(document["bench"])
    place.mkdir(parents=True)
    write_whole(place / "bench.json", to_json(document))
    write_whole(place / "report.html", render_report(document, charts))
    return place
