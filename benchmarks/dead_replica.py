"""What users notice of a replica that dies and stays dead."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.figure import Figure
from benchmarks.scene import CLOCK, on_stage
from tests.e2e.load import under_load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.operator import Operator

SECONDS, BEFORE = 30.0, 3.0
RATE = 300


class Line(NamedTuple):
    """A request in the gateway's log."""

    began: float  # Unix time
    status: int
    seconds: float


def measure() -> Iterator[Figure]:
    """Yield what failed, and the slowest answer."""
    with on_stage() as operator:
        operator.write_stack({"replicas": 2}, keepalive="60s")
        operator.up()
        url = f"http://127.0.0.1:{operator.public}/"
        with under_load(url, operator.folder, rate=RATE) as load:
            CLOCK.sleep(BEFORE)
            operator.engine.kill(f"{operator.name}-app-blue-2")
            died = time.time()
            CLOCK.sleep(SECONDS)
        slowest = _read_slowest(operator)
        CLOCK.sleep(1)  # the gateway's log is written every half second
        lines = list(_read_log(operator))
    in_flight = sum(line.status != 200 and line.began <= died for line in lines)
    yield Figure(
        "requests failed, 1 of 2 replicas dead for 30 s",
        max(0, load.failed - in_flight),
        0,
        "lower",
        f"of {load.sent:,} at {RATE}/s; beside {in_flight} in flight at its death",
    )
    after = [line for line in lines if line.began > died]
    slow = sum(line.seconds > 0.1 for line in after) / len(after)
    yield Figure(
        "slowest answer meanwhile, s",
        slowest,
        0.6,
        "lower",
        f"over 100 ms: {slow:.2%}, in NGINX {max(line.seconds for line in after):.2f} s",
    )


def _read_slowest(operator: Operator) -> float:
    """Return the slowest answer in seconds, as k6 has seen it."""
    summary = json.loads((operator.folder / "k6-summary.json").read_text())
    slowest: float = summary["metrics"]["http_req_duration"]["values"]["max"]
    return slowest / 1000


def _read_log(operator: Operator) -> Iterator[Line]:
    for text in operator.gateway_log().splitlines():
        if text.startswith("{"):
            said = json.loads(text)
            seconds = float(said["seconds"])
            yield Line(float(said["time"]) - seconds, int(said["status"]), seconds)
