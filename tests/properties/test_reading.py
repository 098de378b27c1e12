"""What others wrote and stackctl reads back: configs, access logs, summaries and points of k6."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from hypothesis import given
from hypothesis import strategies as st

from orchestrator.bench.figures import (
    draw_columns,
    join_checks,
    join_thresholds,
    measure,
    read_checks,
    read_thresholds,
)
from orchestrator.bench.points import Points
from orchestrator.gateway.render import render
from orchestrator.gateway.routing import MARK, Lane, Routing, Target, parse_config, parse_routing
from orchestrator.gateway.traffic import count_traffic
from orchestrator.gateway.workers import count_connections, listens, parse_workers
from orchestrator.series import MOST_BUCKETS
from orchestrator.stack.model import Stack
from tests.fakes.benches import HEAD, make_summary
from tests.properties.budget import examples
from tests.properties.hostile import BROKEN_JSON, DOCUMENTS, NUMBERS, TEXTS, damaged, is_plain
from tests.properties.nginx import read_config

if TYPE_CHECKING:
    from pathlib import Path

START = datetime(2030, 1, 1, tzinfo=UTC).timestamp()
SHOP = Stack.model_validate(
    {
        "version": 1,
        "name": "shop",
        "gateway": {"image": "nginx:1.30"},
        "services": {"web": {"image": "web", "port": 80, "routes": [{"path": "/web/"}]}},
    }
)
LANES = {
    "web": Lane(
        Target("blue", "v1", 2, "20300101-000000-web-v1"), candidate=Target("green", "v2", 2, "r2")
    )
}
ROUTING = Routing("20300101-000000-web-v2.promote", LANES)
LINE = {
    "time": str(START + 1),
    "status": "200",
    "seconds": "0.005",
    "target": "web_blue",
    "version": "v1",
    "witness": "",
}
ROUTINGS = damaged(json.loads(ROUTING.to_json())).map(json.dumps)


@examples(200)
@given(text=ROUTINGS | BROKEN_JSON | DOCUMENTS.map(json.dumps) | TEXTS)
def test_a_routing_is_ours_or_none(tmp_path: Path, text: str) -> None:
    """What was read back says only what stackctl says, so that it adds nothing to the next config."""
    found = parse_routing(text)
    assert parse_config(f"{MARK}{text}\n# end\n") == found or "\n" in text or not text.isprintable()
    if found is None:
        return
    assert parse_routing(found.to_json()) == found
    config = read_config(render(SHOP, found), tmp_path)
    for target in (found.lane("web").active, found.lane("web").candidate):
        assert (
            target is None or len(config.upstreams[f"web_{target.color}"]) == target.replicas <= 50
        )


def test_the_routing_of_the_property_above_is_ours() -> None:
    """Without damage it is read as it was written."""
    assert parse_routing(ROUTING.to_json()) == ROUTING
    assert parse_config(render(SHOP, ROUTING)) == ROUTING


ENTRY = damaged(LINE, DOCUMENTS | NUMBERS.map(str)).map(json.dumps)


@examples(200)
@given(
    garbage=st.lists(ENTRY | BROKEN_JSON | TEXTS.map(lambda t: "{" + t) | TEXTS, max_size=6),
    good=st.integers(0, 3),
)
def test_any_access_log_is_counted(garbage: list[str], good: int) -> None:
    """Lines that are none are passed over, those between them count, and all of it can be drawn."""
    lines = [line.replace("\n", " ") for line in garbage]
    counted = count_traffic(
        "\n".join([*lines, *[json.dumps(LINE)] * good]), "web", START, START + 60
    )
    without = count_traffic("\n".join(lines), "web", START, START + 60)
    assert counted.requests - without.requests == good
    assert sum(sum(codes.values()) for codes in counted.versions.values()) == counted.requests
    assert {code for codes in counted.versions.values() for code in codes} <= {
        f"{first}xx" for first in range(10)
    }
    assert is_plain(counted.facts())


@examples(100)
@given(
    text=st.lists(TEXTS | st.sampled_from(["0: 0100007F:1F90", "0100007F:1F90 01", "0A"])).map(
        " ".join
    ),
    titles=st.dictionaries(st.integers(), TEXTS),
)
def test_any_process_table_is_read(text: str, titles: dict[int, str]) -> None:
    """Workers and sockets are looked for in whatever the container prints."""
    assert parse_workers(titles).accepting <= titles.keys()
    assert count_connections(text, ["127.0.0.1", ""], 8080) >= 0
    assert listens(text, 8080) in (True, False)


ROW = {
    "metric_name": "http_req_duration",
    "timestamp": str(START * 1000),
    "metric_value": "5.5",
    "expected_response": "true",
    "group": "",
    "status": "200",
}
FIELDS = (
    TEXTS
    | NUMBERS.map(str)
    | st.sampled_from(["nan", "inf", "-inf", "1e999", "1e300", '"', "a\rb"])
)
ROWS = st.lists(
    damaged(list(ROW.values()), FIELDS).map(lambda row: ",".join(map(str, row)).replace("\n", " "))
    | TEXTS.map(lambda text: "http_req_duration," + text.replace("\n", " "))
    | st.just("http_req_duration," + "9" * 200_000)
    | TEXTS,
    max_size=8,
)


@examples(200)
@given(rows=ROWS, head=st.just(HEAD) | TEXTS | st.just("a" * 200_000), good=st.integers(0, 2))
def test_any_points_are_measured(rows: list[str], head: str, good: int) -> None:
    """A row that is none is left out, one that is counts, and the figures are numbers."""
    points = Points()
    first = f"http_req_duration,{START * 1000},5.0,true,,200"
    points.read([head, *[first] * good, *rows])
    taken = list(points)
    assert len(taken) >= (good if head == HEAD else 0)
    assert is_plain([measure(taken)._asdict(), points.look()._asdict()])
    columns = draw_columns(taken, lambda _: "load")
    assert columns["buckets"] <= MOST_BUCKETS
    assert is_plain(columns)


SUMMARY = make_summary()
SUMMARY["root_group"]["groups"] = [{"name": "inner", "checks": [], "groups": []}]


@examples(200)
@given(summary=damaged(SUMMARY) | DOCUMENTS)
def test_any_summary_is_read_or_refused(summary: Any) -> None:
    """A summary that a script has made something else of is refused as a whole, with the reason."""
    try:
        thresholds, checks = read_thresholds(summary), read_checks(summary)
    except ValueError as error:
        assert str(error)  # noqa: PT017
        return
    assert all(check.passed >= 0 and check.failed >= 0 for check in join_checks([checks, checks]))
    for threshold in join_thresholds([thresholds, thresholds]):
        assert is_plain([*threshold, threshold.limit, threshold.used])
