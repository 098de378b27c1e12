"""What others wrote and stackctl reads back: configs, lanes, access logs, summaries and points of k6."""

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
from orchestrator.errors import ConfigurationError
from orchestrator.gateway.addresses import AddressTable, fit_table
from orchestrator.gateway.config import (
    MARK,
    Config,
    Earlier,
    Newer,
    parse_config,
)
from orchestrator.gateway.lane import Lane, Target, parse_lane
from orchestrator.gateway.render import render
from orchestrator.gateway.traffic import count_traffic
from orchestrator.gateway.workers import parse_workers
from orchestrator.series import MOST_BUCKETS
from orchestrator.sockets import count_connections, listens
from orchestrator.stack.model import Stack
from tests.fakes.benches import HEAD as COLUMNS
from tests.fakes.benches import make_summary
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
LANE = Lane(
    Target("blue", "v1", 2, "20300101-000000-web-v1"),
    candidate=Target("green", "v2", 2, "r2"),
    share=5,
    config="0a" * 8,
)
POOL = [f"10.77.0.{last}" for last in range(1, 9)]
CONFIG = render(SHOP, fit_table(AddressTable(), SHOP, POOL, ()))
HEAD = json.loads(CONFIG.text.partition("\n")[0].removeprefix(MARK))
TARGETS = {
    color: {"color": color, "version": "v1", "replicas": 2, "release": "r1"}
    for color in ("blue", "green")
}
EARLIER = {
    "release": "20300101-000000-web-v2",
    "step": "promote",
    "lanes": {"web": {"active": TARGETS["blue"], "preview": TARGETS["green"], "previous": None}},
}
LINE = {
    "time": str(START + 1),
    "status": "200",
    "seconds": "0.005",
    "target": "web_blue",
    "witness": "",
}
VERSIONS = {"blue": "v1", "green": "v2"}
GARBAGE = BROKEN_JSON | DOCUMENTS.map(json.dumps) | TEXTS


@examples(200)
@given(text=damaged(json.loads(LANE.to_json())).map(json.dumps) | GARBAGE)
def test_a_lane_is_ours_or_none(text: str) -> None:
    """What was read back says only what a release could have written, and says it again."""
    found = parse_lane(text)
    if found is None:
        return
    assert parse_lane(found.to_json()) == found
    assert len(found.to_json().split()) == 1
    assert 0 <= found.green <= 100
    assert found.active is not None
    others = [found.candidate, found.outgoing, found.kept]
    assert found.active.color not in {other.color for other in others if other}


@examples(200)
@given(text=(damaged(HEAD) | damaged(EARLIER)).map(json.dumps) | GARBAGE)
def test_a_head_is_ours_or_none(tmp_path: Path, text: str) -> None:
    """What was read back adds nothing to the next config but what we could have written."""
    found = parse_config(f"{MARK}{text}\n# end\n")
    if isinstance(found, Newer):
        assert found.layout > 2
    elif isinstance(found, Earlier):
        assert all(parse_lane(lane.to_json()) == lane for lane in found.lanes.values())
    elif isinstance(found, Config):
        use(found, tmp_path)


def use(found: Config, folder: Path) -> None:
    """Make the next config of one that was read back, as a release does."""
    assert len(found.id) == 16
    try:
        table = fit_table(found.table, SHOP, POOL, ())
    except ConfigurationError:
        return
    config = render(SHOP, table)
    assert parse_config(config.text) == config
    for color in ("blue", "green"):
        servers = read_config(config.text, folder).servers(f"web_{color}")
        assert servers == list(table.require("web", color).servers)
        assert len(servers) <= 50


def test_what_the_properties_above_damage_is_ours() -> None:
    """Without damage each is read as it was written."""
    assert parse_lane(LANE.to_json()) == LANE
    assert parse_config(CONFIG.text) == CONFIG
    blue, green = (Target(color, "v1", 2, "r1") for color in ("blue", "green"))
    lanes = {"web": Lane(blue, outgoing=green)}
    earlier = parse_config(f"{MARK}{json.dumps(EARLIER)}\n")
    assert earlier == Earlier("20300101-000000-web-v2.promote", lanes)


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
        "\n".join([*lines, *[json.dumps(LINE)] * good]), "web", VERSIONS, START, START + 60
    )
    without = count_traffic("\n".join(lines), "web", VERSIONS, START, START + 60)
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
@given(rows=ROWS, head=st.just(COLUMNS) | TEXTS | st.just("a" * 200_000), good=st.integers(0, 2))
def test_any_points_are_measured(rows: list[str], head: str, good: int) -> None:
    """A row that is none is left out, one that is counts, and the figures are numbers."""
    points = Points()
    first = f"http_req_duration,{START * 1000},5.0,true,,200"
    points.read([head, *[first] * good, *rows])
    taken = list(points)
    assert len(taken) >= (good if head == COLUMNS else 0)
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
