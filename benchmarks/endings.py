"""How long a command goes on once users have the new version, with nothing long in flight."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING

from benchmarks.crowd import present
from benchmarks.figure import Figure
from benchmarks.scene import on_stage, release
from tests.e2e.load import under_load

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.operator import Operator

ROUNDS = 4
RATE = 300
USERS, IDLE = 200, (0.5, 14.5)


def measure() -> Iterator[Figure]:
    """Yield it with busy users, and with idle ones."""
    with on_stage() as operator:
        operator.write_stack(keepalive="60s", drain_timeout="30s")
        operator.up()
        with under_load(f"http://127.0.0.1:{operator.public}/", operator.folder, rate=RATE):
            busy = [_release(operator, f"busy{number}") for number in range(ROUNDS)]
        with present(operator.public, USERS, IDLE):
            idle = [_release(operator, f"idle{number}") for number in range(ROUNDS)]
    yield _figure("busy", busy, f"k6 at {RATE}/s")
    yield _figure("idle", idle, f"{USERS} users idle {IDLE[0]:g} to {IDLE[1]:g} s")


def _release(operator: Operator, version: str) -> float:
    done = release(operator, version, "deploy", "app", "--version", version)
    return done.ended - done.first


def _figure(users: str, seconds: list[float], who: str) -> Figure:
    return Figure(
        f"first answer to end, {users} users, s",
        statistics.median(seconds),
        2.0,
        "lower",
        f"{who}, median of {ROUNDS}, longest {max(seconds):.2f}",
    )
