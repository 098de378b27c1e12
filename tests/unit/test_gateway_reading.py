"""What is read back from NGINX: its routing, its workers, its connections and its log."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.gateway.routing import (
    MARK,
    Lane,
    Routing,
    Target,
    parse_config,
    parse_routing,
)
from orchestrator.gateway.traffic import count_traffic
from orchestrator.gateway.workers import Workers, count_connections, listens, parse_workers

PROPERTY = settings(max_examples=100, deadline=None)
NAMES = st.text(alphabet="abc-'\\\"$;{}\u2028é", max_size=8)
WORDS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)
BLUE, GREEN = (
    st.none() | st.builds(Target, st.just(color), WORDS, st.integers(1, 50), WORDS)
    for color in ("blue", "green")
)
LANES = st.one_of(
    [
        st.builds(Lane, active, **{place: other})
        for active, other in ((BLUE, GREEN), (GREEN, BLUE))
        for place in ("candidate", "outgoing", "kept")
    ]
)
ROUTINGS = st.builds(Routing, WORDS, st.dictionaries(NAMES, LANES, max_size=30))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["lanes", "id", "release", "step", "active", "candidate", "kept", "color"]
            ),
            inner,
        )
    ),
    max_leaves=8,
)

SOCKETS = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000   101        0 1 1 0
   1: 020012AC:1F90 010012AC:C350 01 00000000:00000000 00:00000000 00000000   101        0 2 1 0
   2: 020012AC:C351 030012AC:1F40 01 00000000:00000000 00:00000000 00000000   101        0 3 1 0
   3: 020012AC:C352 030012AC:1F40 01 00000000:00000000 00:00000000 00000000   101        0 4 1 0
   4: 020012AC:C353 030012AC:1F40 06 00000000:00000000 00:00000000 00000000     0        0 0 3 0
   5: 020012AC:C354 040012AC:1F40 01 00000000:00000000 00:00000000 00000000   101        0 5 1 0
   6: 020012AC:C355 030012AC:1F41 01 00000000:00000000 00:00000000 00000000   101        0 6 1 0
garbage
"""


@PROPERTY
@given(routing=ROUTINGS)
def test_a_routing_is_read_back(routing: Routing) -> None:
    """From its JSON, and from the first lines of a config in pieces that NGINX can read."""
    assert parse_routing(routing.to_json()) == routing
    head = "".join(f"{MARK}{piece}\n" for piece in routing.to_pieces())
    assert parse_config(f"{head}# Rendered\n{MARK}{{}}") == routing
    assert all(len(line) < 4096 for line in head.splitlines())
    assert routing.to_json().isascii()


@PROPERTY
@given(raw=JSON | st.text())
def test_garbage_is_no_routing(raw: object) -> None:
    """Whatever else NGINX might answer is none of ours, and no error."""
    for text in (
        str(raw),
        json.dumps(raw),
        f'{{"release": "r", "step": "stage", "lanes": {json.dumps(raw)}}}',
    ):
        routing = parse_routing(text)
        assert routing is None or isinstance(routing, Routing)
        assert parse_config(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '{"release":"r","step":"stage"}',
        '{"release":"r","step":"leap","lanes":{}}',
        '{"release":"r","step":"stage","lanes":[]}',
        '{"release":"r","step":"stage","lanes":{"web":{}}}',
        '{"release":"r","step":"stage","lanes":{"web":{"active":{"color":"red","version":"v","replicas":1,"release":"r"},"preview":null}}}',
        '{"release":"r","step":"stage","lanes":{"web":{"active":{"color":"blue","version":"v","replicas":"x","release":"r"},"preview":null}}}',
    ],
)
def test_half_a_routing_is_none(text: str) -> None:
    """Where something is missing or wrong, nothing is believed."""
    assert parse_routing(text) is None


def test_lanes_are_replaced_and_not_changed() -> None:
    """A routing is a value: a new one comes of each step."""
    first = Routing("r1.boot")
    target = Target("blue", "v1", 1, "r2")
    second = first.with_lane("r2.promote", "web", Lane(target))
    assert first.lane("web") == Lane()
    assert second.lane("web").active == target
    assert second.id == "r2.promote"


def test_a_lane_says_by_itself_how_far_a_switch_is() -> None:
    """Each step of a release makes another lane of it, and no step loses a version."""
    one, two = Target("blue", "v1", 1, "r1"), Target("green", "v2", 1, "r2")
    settled = Lane(one)
    staged = settled.stage(two)
    promoted = staged.promote()

    assert (settled.step, settled.listed, settled.previewed) == ("settled", (one,), None)
    assert (staged.step, staged.listed, staged.previewed) == ("staged", (one, two), two)
    assert (promoted.step, promoted.listed, promoted.previewed) == ("promoted", (two, one), one)
    assert promoted.retire() == Lane(two, kept=one)
    assert (promoted.retire().step, promoted.retire().listed) == ("settled", (two,))
    assert staged.abandon() == promoted.go_back() == settled
    assert promoted.retire().retire() == promoted.retire()


@pytest.mark.parametrize(
    ("step", "lane"),
    [
        ("stage", Lane(Target("blue", "v1", 1, "r1"), candidate=Target("green", "v2", 1, "r2"))),
        ("promote", Lane(Target("blue", "v1", 1, "r1"), outgoing=Target("green", "v2", 1, "r2"))),
    ],
)
def test_a_routing_of_an_earlier_stackctl_is_read(step: str, lane: Lane) -> None:
    """It had one step for all services, and one name for what comes and what goes."""
    blue, green = (
        {"color": color, "version": version, "replicas": 1, "release": release}
        for color, version, release in (("blue", "v1", "r1"), ("green", "v2", "r2"))
    )
    web = {"active": blue, "preview": green, "previous": None}
    text = json.dumps({"release": "r2", "step": step, "lanes": {"web": web}})

    assert parse_routing(text) == Routing(f"r2.{step}", {"web": lane})


def test_workers_are_told_apart() -> None:
    """By what they call themselves; the master and others are none."""
    processes = {
        1: "nginx: master process nginx -c /etc/stackctl/current/nginx.conf",
        7: "nginx: worker process",
        8: "nginx: worker process is shutting down",
        9: "nginx: cache manager process",
        10: "cat /proc/net/tcp",
    }
    assert parse_workers(processes) == Workers(frozenset({7}), frozenset({8}))
    assert parse_workers({}) == Workers(frozenset(), frozenset())


def test_connections_are_counted() -> None:
    """Only established ones, to that port of those addresses."""
    assert count_connections(SOCKETS, ["172.18.0.3"], 8000) == 2
    assert count_connections(SOCKETS, ["172.18.0.3", "172.18.0.4"], 8000) == 3
    assert count_connections(SOCKETS, ["172.18.0.3"], 8001) == 1
    assert count_connections(SOCKETS, ["", "172.18.0.9"], 8000) == 0
    assert count_connections("", ["172.18.0.3"], 8000) == 0


def test_a_listener_is_found() -> None:
    """By its port."""
    assert listens(SOCKETS, 8080)
    assert not listens(SOCKETS, 8000)
    assert not listens("", 8080)


def log(**fields: str) -> str:
    """Return a line of the access log."""
    return json.dumps(
        {"target": "web_blue", "status": "200", "version": "v1", "witness": ""} | fields,
        ensure_ascii=False,
    )


def test_traffic_is_counted_by_version_and_status() -> None:
    """Of one service, without the witness, whatever else stands in the log."""
    lines = [
        log(),
        log(uri="/\u2028\x85"),
        log(status="404"),
        log(status="502", version="v2", target="web_green"),
        log(witness="1"),
        log(target="web_api_blue"),
        log(target="api_blue"),
        log(target=""),
        log(status="-"),
        log(status=""),
        "2030/01/01 12:00:00 [warn] 7#7: an upstream response is buffered",
        "{ broken",
        "[]",
        "",
        "{}",
    ]
    traffic = count_traffic("\n".join(lines), "web", 0, 10)
    assert (traffic.requests, traffic.failed) == (4, 1)
    assert traffic.versions == {"v1": {"2xx": 2, "4xx": 1}, "v2": {"5xx": 1}}
    assert traffic.series["versions"] == {}  # nobody said when they were


@PROPERTY
@given(text=st.text())
def test_no_log_line_is_an_error(text: str) -> None:
    """Traffic is counted in whatever the log holds."""
    strange = log(time=text, seconds=text)
    traffic = count_traffic(f"{text}\n{{{text}}}\n{log(status=text)}\n{strange}", "web", 0, 10)
    assert traffic.facts()["requests"] in (1, 2)
