"""How soon users get the new version, against the least that an engine needs for it."""

from __future__ import annotations

import statistics
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from benchmarks.figure import Figure
from benchmarks.scene import CLOCK, on_stage, release
from orchestrator.stack import naming
from tests.e2e.operator import Operator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = 6
REPLICAS = 2


def measure() -> Iterator[Figure]:
    """Yield the figure for the shipped service, and for one that boots in a tenth of a second."""
    yield _compare("notes", "/notes/", lambda operator: operator.write_platform("notes"))
    yield _compare("app", "/", Operator.write_stack)


def _compare(service: str, path: str, write: Callable[[Operator], None]) -> Figure:
    """Return the time from the built image to the first new answer over the floor, in turn."""
    ours, floor = [], []
    with on_stage() as operator:
        write(operator)
        operator.up()
        for number in range(2, ROUNDS + 2):
            version = f"v{number}"
            done = release(operator, version, "deploy", service, "--version", version, path=path)
            ours.append(done.first - done.built)
            floor.append(_bare(operator, naming.image_tag(operator.name, service, version)))
    released, bare = statistics.median(ours), statistics.median(floor)
    return Figure(
        f"first answer of a new {service} / bare engine",
        released / bare,
        1.3,
        "lower",
        f"{released:.2f} s / {bare:.2f} s, median of {ROUNDS}, {REPLICAS} replicas",
    )


def _bare(operator: Operator, image: str) -> float:
    """Return seconds for create, start and first healthy answers, with nothing more."""
    client, network = operator.engine, naming.network_name(operator.name)
    names = [f"{operator.name}-bare-{number}" for number in range(REPLICAS)]
    host = client.create_host_config(cap_drop=["ALL"], read_only=True, network_mode=network)

    def start(name: str) -> None:
        container = client.create_container(image, name=name, host_config=host)["Id"]
        client.start(container)
        networks = client.inspect_container(container)["NetworkSettings"]["Networks"]
        _await_healthy(networks[network]["IPAddress"])

    started = time.perf_counter()
    with ThreadPoolExecutor() as pool:
        list(pool.map(start, names))
    seconds = time.perf_counter() - started
    for name in names:
        client.remove_container(name, force=True)
    return seconds


def _await_healthy(address: str) -> None:
    for _ in range(2000):
        try:
            with urllib.request.urlopen(f"http://{address}:8000/health", timeout=1):
                return
        except (urllib.error.URLError, TimeoutError):
            CLOCK.sleep(0.01)
    raise AssertionError(f"nothing healthy at {address}")
