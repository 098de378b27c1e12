"""How soon users get the new version, against the least that an engine needs for it."""

from __future__ import annotations

import json
import secrets
import statistics
import tempfile
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.figure import Figure
from tests.e2e.operator import Operator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROUNDS = 6
REPLICAS = 2
POLL = 0.03  # seconds between a user's looks


def measure() -> Iterator[Figure]:
    """Yield the figure for the shipped service, and for one that boots in a tenth of a second."""
    yield _compare("notes", "/notes/", lambda operator: operator.write_platform("notes"))
    yield _compare("app", "/", Operator.write_stack)


def _compare(service: str, path: str, write: Callable[[Operator], None]) -> Figure:
    """Return the time from the built image to the first new answer over the floor, in turn."""
    with tempfile.TemporaryDirectory() as folder:
        operator = Operator(Path(folder), f"bench{secrets.token_hex(3)}")
        try:
            write(operator)
            operator.up()
            ours, floor = [], []
            for number in range(2, ROUNDS + 2):
                ours.append(_release(operator, service, f"v{number}", path))
                floor.append(_bare(operator, f"{operator.name}-{service}:v{number}"))
        finally:
            operator.remove_everything()
    released, bare = statistics.median(ours), statistics.median(floor)
    return Figure(
        f"first answer of a new {service} / bare engine",
        released / bare,
        1.5,
        "lower",
        f"{released:.2f} s / {bare:.2f} s, median of {ROUNDS}, {REPLICAS} replicas",
    )


def _release(operator: Operator, service: str, version: str, path: str) -> float:
    """Return seconds from the built image to a user's first answer of the new version."""
    command = ("deploy", service, "--version", version, "--output", "json")
    with operator.running(*command) as process:
        while operator.served_version(path) != version:
            time.sleep(POLL)  # noqa: TID251
        first = time.time()
        stdout, stderr = process.communicate()
    assert process.returncode == 0, stderr
    folder = operator.folder / json.loads(stdout)["evidence"]
    events = [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]
    built = next(
        event["at"] for event in events if event["event"] == "phase" and event["phase"] == "plan"
    )
    return first - datetime.fromisoformat(built).timestamp()


def _bare(operator: Operator, image: str) -> float:
    """Return seconds for create, start, first healthy answers and one reload, with nothing more."""
    client = operator.engine
    names = [f"{operator.name}-bare-{number}" for number in range(REPLICAS)]
    host = client.create_host_config(cap_drop=["ALL"], read_only=True, network_mode=operator.name)

    def start(name: str) -> None:
        container = client.create_container(image, name=name, host_config=host)["Id"]
        client.start(container)
        networks = client.inspect_container(container)["NetworkSettings"]["Networks"]
        _await_healthy(networks[operator.name]["IPAddress"])

    started = time.perf_counter()
    with ThreadPoolExecutor() as pool:
        list(pool.map(start, names))
    reload = client.exec_create(
        f"{operator.name}-gateway",
        ["nginx", "-c", "/etc/stackctl/current/nginx.conf", "-s", "reload"],
    )
    client.exec_start(reload["Id"])
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
            time.sleep(0.01)  # noqa: TID251
    raise AssertionError(f"nothing healthy at {address}")
