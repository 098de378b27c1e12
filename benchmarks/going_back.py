"""How soon users are back on a version that still runs, and how long the switch itself takes."""

from __future__ import annotations

import http.client
import json
import secrets
import statistics
import threading
import time
from contextlib import closing, contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

from benchmarks.figure import Figure
from benchmarks.scene import CLOCK, on_stage, open_door, release
from orchestrator.gateway.lane import Lane
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.operator import Operator

ROUNDS, SWITCHES = 6, 20
CALM = 0.1  # seconds before each switch

Heard = SimpleQueue[tuple[float, str]]  # when an answer came, and its version


def measure() -> Iterator[Figure]:
    """Yield the time of `rollback`, and of a move of the link alone."""
    with on_stage() as operator:
        operator.write_stack({"keep": "running"}, keepalive="60s")
        operator.up()
        assert operator.deploy("v2").code == 0
        back = [_go_back(operator, f"v{1 + number % 2}") for number in range(ROUNDS)]
        with _listening(operator.public) as heard:
            moves = _switch(operator, heard)
    yield Figure(
        "rollback to first answer, it runs, s",
        statistics.median(back),
        1.0,
        "lower",
        f"from the start, median of {ROUNDS}, longest {max(back):.2f}",
    )
    yield Figure(
        "the switch to first answer, ms",
        statistics.median(moves) * 1000,
        20,
        "lower",
        f"from the rename, on a kept connection, median of {SWITCHES}, longest {max(moves) * 1000:.1f}",
    )


def _go_back(operator: Operator, version: str) -> float:
    done = release(operator, version, "rollback", "app")
    return done.first - done.started


def _switch(operator: Operator, heard: Heard) -> list[float]:
    """Move the link between two colors that run; return how long each first new answer took.

    From the rename on, which is when the link itself was changed last.
    """
    lane, link = operator.ask_gateway().lane("app"), _find_link(operator)
    assert lane is not None
    seconds = []
    with closing(open_door(operator)) as door:
        for _ in range(SWITCHES):
            lane = Lane(lane.kept, kept=lane.active, config=lane.config)
            assert lane.active is not None
            CLOCK.sleep(CALM)
            began = time.time()
            door.move("app", f"switch.{secrets.token_hex(4)}", lane)
            answered, version = heard.get(timeout=30)
            while answered < began or version != lane.active.version:
                answered, version = heard.get(timeout=30)
            seconds.append(answered - link.lstat().st_ctime)
    return seconds


def _find_link(operator: Operator) -> Path:
    """Return the link of the app, as it lies on this machine's disk."""
    volume = operator.engine.inspect_volume(naming.part_name(operator.name, "gateway"))
    return Path(volume["Mountpoint"], "live", "app")


@contextmanager
def _listening(port: int) -> Iterator[Heard]:
    """Ask without a pause on one kept connection while the block runs."""
    heard, over = Heard(), threading.Event()

    def ask() -> None:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
            while not over.is_set():
                connection.request("GET", "/")
                version = str(json.loads(connection.getresponse().read())["version"])
                heard.put((time.time(), version))

    thread = threading.Thread(target=ask, name="listener")
    thread.start()
    try:
        yield heard
    finally:
        over.set()
        thread.join()
