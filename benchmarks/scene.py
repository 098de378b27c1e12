"""What the parts share: a stack of one's own, its images, and a command that is timed."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.clock import SystemClock
from orchestrator.engine.docker import DockerEngine
from orchestrator.engine.values import BuildOrder
from orchestrator.gateway.apply import Gateway
from orchestrator.stack import naming
from tests.e2e.operator import STACKCTL, Operator

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


POLL = 0.01  # seconds between a user's looks
CLOCK = SystemClock()


@dataclass(frozen=True)
class Timed:
    """A release that went well, as its users saw it; all but `cpu` are Unix times."""

    started: float
    first: float  # a user got the first answer of the new version
    ended: float
    cpu: float  # seconds, user and system, of the command and its children
    events: list[dict[str, Any]]

    @property
    def built(self) -> float:
        """Return when the image was there."""
        return next(
            to_time(event)
            for event in self.events
            if event["event"] == "phase" and event["phase"] == "plan"
        )


@contextmanager
def on_stage() -> Iterator[Operator]:
    """Give somebody whose stack is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        operator = Operator(Path(folder), f"bench{secrets.token_hex(3)}")
        try:
            yield operator
        finally:
            operator.remove_everything()


def build(operator: Operator, version: str) -> str:
    """Build the test's app, so that no release has to; return the image."""
    tag = naming.image_tag(operator.name, "app", version)
    prefix = operator.environment.get("IMAGE_PREFIX", "")
    order = BuildOrder(
        context=operator.folder / "app",
        dockerfile="Dockerfile",
        tag=tag,
        arguments={"IMAGE_PREFIX": prefix, "VERSION": version},
        labels=naming.labels(operator.name, "service", service="app", version=version),
    )
    DockerEngine(operator.engine).build(order, lambda _: None)
    return tag


def release(operator: Operator, version: str, *command: str, path: str = "/") -> Timed:
    """Run a release to its end, asking all the time whether the new version answers."""
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as errors:
        started = time.time()
        with subprocess.Popen(
            (*STACKCTL, *command, "--output", "json"),
            cwd=operator.folder,
            env=operator.environment,
            stdout=out,
            stderr=errors,
        ) as process:
            first = await_version(operator, version, path, process)
            _, status, used = os.wait4(process.pid, 0)
            ended = time.time()
            process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        errors.seek(0)
        assert process.returncode == 0, errors.read()
        document = json.loads(out.read())
    cpu = used.ru_utime + used.ru_stime
    return Timed(started, first, ended, cpu, read_events(operator, document))


def await_version(
    operator: Operator, version: str, path: str, process: subprocess.Popen[bytes]
) -> float:
    """Return when a user first got a version; the command's own end is not waited for."""
    while operator.served_version(path) != version:
        # Not `poll`, which would take the account of its CPU time away.
        gone = os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        assert gone is None or operator.served_version(path) == version, f"{version} never came"
        CLOCK.sleep(POLL)
    return time.time()


def read_events(operator: Operator, document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a release's evidence says, in order."""
    text = (operator.folder / document["evidence"] / "events.jsonl").read_text()
    return [json.loads(line) for line in text.splitlines()]


def to_time(event: Mapping[str, Any]) -> float:
    """Return when an event was."""
    return datetime.fromisoformat(event["at"]).timestamp()


def open_door(operator: Operator) -> Gateway:
    """Return the gateway as the product's own code moves it; to be closed."""
    engine = DockerEngine(operator.engine)
    name = naming.part_name(operator.name, "gateway")
    found = next(one for one in engine.containers(operator.name) if one.name == name)
    gateway = Gateway(engine, found, operator.ask_gateway(), CLOCK)
    gateway.prepare()
    return gateway
