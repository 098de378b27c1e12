"""Whether a release of one service is as quick, and asks as little, where there are 200."""

from __future__ import annotations

import statistics
from random import Random
from typing import TYPE_CHECKING

import yaml

from benchmarks.engine_calls import counted
from benchmarks.figure import Figure
from benchmarks.scene import build, on_stage, release
from tests.e2e.operator import describe_app

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.operator import Operator

SERVICES = 200
ROUNDS = 5
ENGINE = "/var/run/docker.sock"
RANDOM = Random()  # noqa: S311  somebody else may have a subnet


def measure() -> Iterator[Figure]:
    """Yield the times and the calls of the same release in a small and in a large stack, in turn."""
    with on_stage() as small, on_stage() as large:
        _prepare(small, 1)
        _prepare(large, SERVICES)
        times = [
            (_time(small, f"v{number}"), _time(large, f"v{number}"))
            for number in range(3, ROUNDS + 3)
        ]
        few, many = _count(small), _count(large)
    short, long = (statistics.median(each) for each in zip(*times, strict=True))
    yield Figure(
        f"deploy to first answer, {SERVICES} services / 1",
        long / short,
        1.15,
        "lower",
        f"{long:.2f} s / {short:.2f} s, median of {ROUNDS}",
    )
    yield Figure(
        f"engine calls more, {SERVICES} services than 1",
        many - few,
        0,
        "lower",
        f"{many} / {few} HTTP requests, counted at the engine's socket",
    )


def _prepare(operator: Operator, services: int) -> None:
    """Bring one service up, then name the others in stack.yaml, which the next release takes in."""
    subnet = f"10.{RANDOM.randint(100, 250)}.{4 * RANDOM.randint(0, 63)}.0/22"
    _write(operator, 1, subnet)
    operator.up()
    _write(operator, services, subnet)
    done = operator.deploy("v2")
    assert done.code == 0, done.stderr


def _write(operator: Operator, services: int, subnet: str) -> None:
    others = [f"other-{number}" for number in range(1, services)]
    operator.write_stack({"replicas": 1}, keepalive="60s", drain_timeout="30s")
    stack = yaml.safe_load((operator.folder / "stack.yaml").read_text())
    more = {name: {**describe_app(f"/{name}/"), "replicas": 1} for name in others}
    operator.write({**stack, "services": stack["services"] | more, "network": {"subnet": subnet}})


def _time(operator: Operator, version: str) -> float:
    build(operator, version)
    done = release(operator, version, "deploy", "app", "--version", version, "--no-build")
    return done.first - done.started


def _count(operator: Operator) -> int:
    build(operator, "counted")
    door = operator.folder / "engine.sock"
    with counted(ENGINE, door) as calls:
        operator.environment["DOCKER_HOST"] = f"unix://{door}"
        done = operator.deploy("counted", "--no-build")
        del operator.environment["DOCKER_HOST"]
    assert done.code == 0, done.stderr
    return calls.made
