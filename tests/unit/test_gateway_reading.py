"""What is read back from NGINX: its config, its lanes, its workers, its connections and its log."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.gateway.addresses import AddressTable, Upstream
from orchestrator.gateway.config import MARK, Config, Earlier, Newer, parse_config
from orchestrator.gateway.lane import Lane, Target, parse_lane
from orchestrator.gateway.traffic import count_traffic
from orchestrator.gateway.workers import Workers, parse_workers
from orchestrator.sockets import count_connections, listens
from tests.properties.wishes import lanes

if TYPE_CHECKING:
    from orchestrator.stack.model import Color

PROPERTY = settings(max_examples=100, deadline=None)
KEYS = [
    *("lanes", "id", "release", "step", "active", "candidate", "kept", "color", "layout", "config"),
    *("addresses", "blue", "port", "share"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5)
    ),
    max_leaves=8,
)
BLUE, GREEN = Target("blue", "v1", 1, "r1"), Target("green", "v2", 1, "r2")
BLUE_SAID = '{"color":"blue","version":"v1","replicas":1,"release":"r1"}'
GREEN_SAID = '{"color":"green","version":"v2","replicas":1,"release":"r2"}'

SOCKETS = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000   101        0 1 1 0
   1: 020012AC:1F90 010012AC:C350 01 00000000:00000000 00:00000000 00000000   101        0 2 1 0
   2: 020012AC:C351 030012AC:1F40 01 00000000:00000000 00:00000000 00000000   101        0 3 1 0
   3: 020012AC:C352 030012AC:1F40 01 00000000:00000000 00:00000000 00000000   101        0 4 1 0
   4: 020012AC:C353 030012AC:1F40 06 00000000:00000000 00:00000000 00000000     0        0 0 3 0
   5: 020012AC:C354 040012AC:1F40 01 00000000:00000000 00:00000000 00000000   101        0 5 1 0
   6: 020012AC:C355 030012AC:1F41 01 00000000:00000000 00:00000000 00000000   101        0 6 1 0
   7: 020012AC:C356 040012AC:1F40 02 00000000:00000000 00:00000000 00000000   101        0 7 1 0
garbage
"""


@PROPERTY
@given(lane=lanes())
def test_a_lane_is_read_back(lane: Lane) -> None:
    """From one line without a space, which is what the shell that moves links takes."""
    said = lane.to_json()
    assert parse_lane(said) == parse_lane(f"{said}\n") == lane
    assert len(said.split()) == 1
    assert said.isascii()
    assert json.loads(said)["step"] == lane.step


@PROPERTY
@given(raw=JSON | st.text())
def test_garbage_is_none_of_ours(raw: object) -> None:
    """Whatever else NGINX might answer is no lane and no config, and no error."""
    for text in (
        str(raw),
        json.dumps(raw),
        f'{{"active": {BLUE_SAID}, "kept": {json.dumps(raw)}}}',
    ):
        assert parse_lane(text) is None
        assert parse_config(text) is None
    for rest in (f'"layout": 2, "addresses": {json.dumps(raw)}', f'"lanes": {json.dumps(raw)}'):
        assert parse_config(f'{MARK}{{"config": "r", "release": "r", "step": "s", {rest}}}') is None


def say_lane(**changed: str) -> str:
    """Return a lane as JSON, with some of its values replaced."""
    said = {"active": BLUE_SAID, "candidate": "null", "outgoing": "null", "kept": "null"}
    said |= {"share": "0", "config": '"0a"'} | changed
    return "{" + ",".join(f'"{key}":{value}' for key, value in said.items() if value) + "}"


def test_a_lane_in_json_is_read() -> None:
    """What the cases below are damaged in is a lane, and what more it says is passed over."""
    assert parse_lane(say_lane(step='"settled"')) == Lane(BLUE, config="0a")
    staged = say_lane(candidate=GREEN_SAID, share="7")
    assert parse_lane(staged) == Lane(BLUE, candidate=GREEN, share=7, config="0a")


@pytest.mark.parametrize(
    "text",
    [
        *("", "\n", "null", "[]", "{}", '"lane"', say_lane()[:-1], say_lane() * 2),
        *(say_lane(**{key: ""}) for key in ("active", "candidate", "outgoing", "kept", "share")),
        *(say_lane(share=share) for share in ("-1", "101", "1.0", "true", "null", '"1"', "NaN")),
        *(say_lane(config=config) for config in ("", "null", '"0A"', '"../x"', '"0a\\n"', "7")),
        *(say_lane(**{key: "7"}) for key in ("active", "candidate", "outgoing", "kept")),
        say_lane(active="null"),
        *(say_lane(**{key: BLUE_SAID}) for key in ("candidate", "outgoing", "kept")),
        say_lane(candidate=GREEN_SAID, outgoing=GREEN_SAID),
        *(
            say_lane(active=BLUE_SAID.replace(old, new))
            for old, new in (
                ('"blue"', '"red"'),
                ('"blue"', "null"),
                (":1", ":0"),
                (":1", ":51"),
                (":1", ":true"),
                (":1", ':"1"'),
                ("v1", ""),
                ("v1", "v1\\n"),
                ("v1", "v 1"),
                ("r1", "../r1"),
                ("r1", "r" * 232),
                (',"version":"v1"', ""),
            )
        ),
    ],
)
def test_half_a_lane_is_none(text: str) -> None:
    """Where something is missing or wrong, nothing is believed."""
    assert parse_lane(text) is None


def test_a_lane_says_by_itself_how_far_a_switch_is() -> None:
    """Each step of a release makes another lane of it, and no step loses a version."""
    settled = Lane(BLUE, kept=Target("green", "v0", 1, "r0"), config="0a")
    staged = settled.stage(GREEN)
    promoted = staged.promote()

    assert [lane.step for lane in (settled, staged, promoted)] == ["settled", "staged", "promoted"]
    assert staged == replace(settled, candidate=GREEN)
    assert promoted == Lane(GREEN, outgoing=BLUE, config="0a")
    assert promoted.retire() == Lane(GREEN, kept=BLUE, config="0a")
    assert promoted.retire().step == "settled"
    assert promoted.retire().retire() == promoted.retire()
    assert promoted.go_back() == Lane(BLUE, config="0a")
    assert staged.abandon() == settled.abandon() == settled


@pytest.mark.parametrize(
    ("lane", "green"),
    [
        (Lane(BLUE), 0),
        (Lane(GREEN), 100),
        (Lane(GREEN, kept=BLUE), 100),
        (Lane(GREEN, outgoing=BLUE), 100),
        (Lane(BLUE, candidate=GREEN), 0),
        (Lane(BLUE, candidate=GREEN, share=5), 5),
        (Lane(GREEN, candidate=BLUE), 100),
        (Lane(GREEN, candidate=BLUE, share=5), 95),
        (Lane(GREEN, candidate=BLUE, share=100), 0),
        (Lane(BLUE, share=5), 0),
    ],
)
def test_a_lane_says_how_many_get_green(lane: Lane, green: int) -> None:
    """The share is the candidate's, whichever color it has; without one it says nothing."""
    assert lane.green == green


def test_a_share_is_of_one_switch() -> None:
    """Neither the next candidate nor the time after a switch begins with it."""
    shared = Lane(BLUE, candidate=GREEN, share=40)
    ended = (shared.promote(), shared.abandon(), shared.stage(GREEN), shared.promote().go_back())
    assert [lane.share for lane in ended] == [0] * 4
    assert [lane.green for lane in ended] == [100, 0, 0, 0]


ONE = {"web": {"blue": {"port": 8000, "addresses": ["172.30.0.1"]}}}


def head(**changed: object) -> str:
    """Return the first line of a config, with some of its values replaced."""
    said: dict[str, object] = {"layout": 2, "config": "0a" * 8, "addresses": ONE}
    said |= changed
    return MARK + json.dumps({key: value for key, value in said.items() if value != "gone"})


def table(**changed: object) -> object:
    """Return an address table as JSON, with some of its values replaced."""
    return {"web": {"blue": {"port": 8000, "addresses": ["172.30.0.1"]} | changed}}


def test_the_head_of_a_config_is_read() -> None:
    """What the cases below are damaged in is one of ours."""
    web: dict[Color, Upstream] = {"blue": Upstream(8000, ("172.30.0.1",))}
    assert parse_config(head()) == Config("0a" * 8, AddressTable({"web": web}), head())


@pytest.mark.parametrize(
    "text",
    [
        *("", MARK, f"{MARK}null", f"{MARK}[]", f"{MARK}2", "# Rendered\n" + head()),
        head()[:-1],
        head().removeprefix("# "),
        *(head(**{key: "gone"}) for key in ("layout", "config", "addresses")),
        *(head(layout=layout) for layout in (0, 1, -3, 2.0, True, None, "2")),
        *(head(config=config) for config in ("", "0A" * 8, "0a", "../../../x", None, 7)),
        *(head(addresses=said) for said in (list[str](), None, 7, "web")),
        *(head(addresses={"web": said}) for said in (7, {"blue": 7})),
        *(head(addresses=table(port=port)) for port in (0, 65536, True, "80", 80.0, None)),
        *(
            head(addresses=table(addresses=addresses))
            for addresses in ([], "172.30.0.1", [7], [True], ["web"], ["172.30.0.1; }"], ["::1"])
        ),
        head(addresses=table(addresses=["172.30.0.1"] * 51)),
    ],
)
def test_half_a_head_is_none(text: str) -> None:
    """Where something is missing or wrong, nothing of it goes into the next config."""
    assert parse_config(text) is None


@pytest.mark.parametrize("more", [{}, {"lanes": {}}, {"addresses": 7, "release": "r", "step": "s"}])
def test_a_newer_layout_is_not_guessed_at(more: dict[str, object]) -> None:
    """Whatever else it says, and whether or not we would know the words."""
    assert parse_config(head(layout=3, **more)) == Newer(3)


def earlier(step: str, **lanes: object) -> str:
    """Return the first line of a config of layout 1."""
    return f"{MARK}{json.dumps({'release': 'r2', 'step': step, 'lanes': lanes})}\n# Rendered"


@pytest.mark.parametrize(
    ("step", "lane"),
    [
        ("stage", Lane(BLUE, candidate=GREEN)),
        ("promote", Lane(BLUE, outgoing=GREEN)),
        ("recover", Lane(BLUE, candidate=GREEN)),
    ],
)
def test_a_config_of_an_earlier_stackctl_is_read(step: str, lane: Lane) -> None:
    """It had one step for all services, and one name for what comes and what goes."""
    web = {"active": json.loads(BLUE_SAID), "preview": json.loads(GREEN_SAID), "previous": None}
    assert parse_config(earlier(step, web=web)) == Earlier(f"r2.{step}", {"web": lane})


def test_what_an_earlier_stackctl_kept_is_kept() -> None:
    """The previous version stays for a rollback; a service that was never released has no lane."""
    web = {"active": json.loads(BLUE_SAID), "preview": None, "previous": json.loads(GREEN_SAID)}
    new = {"active": None, "preview": json.loads(BLUE_SAID), "previous": None}
    lanes = {"web": Lane(BLUE, kept=GREEN)}
    assert parse_config(earlier("retire", web=web, new=new)) == Earlier("r2.retire", lanes)
    assert parse_config(earlier("boot")) == Earlier("r2.boot", {})


@pytest.mark.parametrize(
    "text",
    [
        earlier("leap"),
        earlier("stage", web={}),
        earlier("stage", web=7),
        earlier("stage", web={"active": {"color": "red"}, "preview": None}),
        earlier("stage").replace('"r2"', '"../r2"'),
        earlier("stage").replace("{}", "[]"),
        earlier("stage").replace('"release": "r2", ', ""),
    ],
)
def test_half_a_config_of_an_earlier_stackctl_is_none(text: str) -> None:
    """Where something is missing or wrong, nothing is believed."""
    assert parse_config(text) is None


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
    """Established ones and those in the making, to that port of those addresses."""
    assert count_connections(SOCKETS, ["172.18.0.3"], 8000) == 2
    assert count_connections(SOCKETS, ["172.18.0.4"], 8000) == 2
    assert count_connections(SOCKETS, ["172.18.0.3", "172.18.0.4"], 8000) == 4
    assert count_connections(SOCKETS, ["172.18.0.3"], 8001) == 1
    assert count_connections(SOCKETS, ["", "172.18.0.9"], 8000) == 0
    assert count_connections("", ["172.18.0.3"], 8000) == 0


def test_a_listener_is_found() -> None:
    """By its port, on IPv6 alone too: it takes IPv4 as well, unless it was told not to."""
    assert listens(SOCKETS, 8080)
    assert listens(f"  0: {'0' * 32}:1F41 {'0' * 32}:0000 0A 00000000:00000000", 8001)
    assert not listens(SOCKETS, 8000)
    assert not listens("", 8080)


def log(**fields: str) -> str:
    """Return a line of the access log."""
    said = {"target": "web_blue", "status": "200", "witness": ""} | fields
    return json.dumps(said, ensure_ascii=False)


VERSIONS = {"blue": "v1", "green": "v2"}


def test_traffic_is_counted_by_version_and_status() -> None:
    """Of one service, by its colors, without the witness, whatever else stands in the log."""
    lines = [
        log(),
        log(uri="/\u2028\x85"),
        log(status="404"),
        log(status="502", target="web_green"),
        log(version="v9"),
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
    traffic = count_traffic("\n".join(lines), "web", VERSIONS, 0, 10)
    assert (traffic.requests, traffic.failed) == (5, 1)
    assert traffic.versions == {"v1": {"2xx": 3, "4xx": 1}, "v2": {"5xx": 1}}
    assert traffic.series["versions"] == {}  # nobody said when they were


def test_traffic_of_a_color_without_a_version_counts() -> None:
    """No request is left out because nobody can tell what ran there; times are drawn."""
    lines = [log(target="web_red"), log(target="web_green", time="5.5", seconds="0.004")]
    traffic = count_traffic("\n".join(lines), "web", {"blue": "v1"}, 0, 10)
    assert traffic.versions == {"": {"2xx": 2}}
    assert traffic.series["versions"]


def test_who_is_turned_away_is_counted_under_a_name_of_its_own() -> None:
    """A service that must be alone was closed: nobody failed, and no version has answered."""
    away = {"target": "closed", "status": "503", "time": "5.5", "seconds": "0"}
    lines = [log(), log(**away), log(**away), log(**away, witness="1"), log(target="closed")]
    traffic = count_traffic("\n".join(lines), "web", VERSIONS, 0, 10)
    assert (traffic.requests, traffic.failed, traffic.turned_away) == (1, 0, 2)
    assert traffic.versions == {"v1": {"2xx": 1}}
    assert traffic.series["versions"] == {}


def test_both_colors_of_one_version_are_one() -> None:
    """As where a version is released again."""
    lines = [log(), log(target="web_green")]
    traffic = count_traffic("\n".join(lines), "web", {"blue": "v1", "green": "v1"}, 0, 10)
    assert traffic.versions == {"v1": {"2xx": 2}}


@PROPERTY
@given(text=st.text())
def test_no_log_line_is_an_error(text: str) -> None:
    """Traffic is counted in whatever the log holds."""
    strange = log(time=text, seconds=text)
    traffic = count_traffic(
        f"{text}\n{{{text}}}\n{log(status=text)}\n{strange}", "web", VERSIONS, 0, 10
    )
    assert traffic.facts()["requests"] in (1, 2)
