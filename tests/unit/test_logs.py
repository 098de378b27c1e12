"""`logs`: whose lines, since when, and how the gateway's own are told."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from orchestrator.errors import ConfigurationError
from orchestrator.lifecycle.logs import Extract, follow_logs, parse_since, read_logs
from orchestrator.wording import tell_access
from tests.fakes.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from orchestrator.release.house import House

    Reader = Callable[[House, Extract], Iterator[tuple[str, str]]]

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
ENTRY = {
    "time": "1893499200.250",
    "client": "203.0.113.7",
    "method": "GET",
    "uri": "/notes/?a=1",
    "status": "200",
    "seconds": "0.012",
    "target": "notes_blue",
    "witness": "",
}


@pytest.fixture
def world(tmp_path: Path) -> World:
    """Return a stack that serves v2 from green and keeps v1, both of which have said something."""
    world = World(tmp_path).begin()
    world.deploy("v2")
    for box in world.host.boxes.values():
        box.printed[:] = [(NOW.timestamp() - 60, "old"), (NOW.timestamp(), "new")]
    return world


def test_who_serves_has_the_last_word(world: World) -> None:
    """A terminal shows the end: lines of stopped containers come first."""
    names = [name for name, _ in read_logs(world.house, Extract("notes", 10))]

    assert list(dict.fromkeys(names)) == [
        *("shop-notes-blue-1", "shop-notes-blue-2"),
        *("shop-notes-green-1", "shop-notes-green-2"),
    ]


@pytest.mark.parametrize("read", [read_logs, follow_logs])
def test_lines_can_be_had_since_a_time_and_with_it(world: World, read: Reader) -> None:
    """With the engine's own time stamps."""
    wanted = Extract("notes", 10, NOW.timestamp() - 1, timestamps=True)

    assert {text for _, text in read(world.house, wanted)} == {"2030-01-01T12:00:00+00:00 new"}


@pytest.mark.parametrize(
    ("text", "ago"), [("30s", 30), ("10m", 600), ("1.5h", 5400), ("2d", 172800), ("0s", 0)]
)
def test_since_is_how_long_ago(text: str, ago: float) -> None:
    """In seconds, minutes, hours or days."""
    assert parse_since(text, NOW) == NOW.timestamp() - ago


def test_since_is_a_date_and_time() -> None:
    """Of any zone; what is none of both is refused with examples."""
    assert parse_since("2030-01-01T13:00+01:00", NOW) == NOW.timestamp()
    for text in ("", "10", "m", "-5m", "yesterday", "1e9s", "9" * 400 + "s"):
        with pytest.raises(ConfigurationError, match="is no time"):
            parse_since(text, NOW)


def test_an_access_is_told_in_words() -> None:
    """Status, request, time and whom it led to; whose witness it was."""
    told = "2030-01-01T12:00:00Z 200 GET /notes/?a=1 12 ms notes_blue 203.0.113.7"

    assert tell_access(json.dumps(ENTRY)) == told
    assert tell_access(json.dumps(ENTRY | {"witness": "x"})) == f"{told} (witness)"
    stamped = "2030-01-01T12:00:00.25Z " + json.dumps(ENTRY | {"target": ""})
    assert tell_access(stamped) == "2030-01-01T12:00:00.25Z 200 GET /notes/?a=1 12 ms 203.0.113.7"


@pytest.mark.parametrize(
    "line",
    ["", "plain", "{", "{}", "[1]", '{"time": "x"}', 'a {"b": 1}', "{" * 9000]
    + [json.dumps(ENTRY | {"time": value}) for value in ("1e400", "nan", "1e30", "")],
)
def test_any_other_line_stays_as_it_is(line: str) -> None:
    """A service may print JSON of its own, and a client's path may be anything."""
    assert tell_access(line) == line
