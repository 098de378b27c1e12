"""A whole command against a shell script that does as little as can be done, and its CPU time."""

from __future__ import annotations

import http.client
import json
import statistics
import subprocess
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bare import run_nginx
from benchmarks.figure import Figure
from benchmarks.scene import CLOCK, POLL, build, on_stage, release
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Iterator

    from benchmarks.scene import Timed
    from tests.e2e.operator import Operator

ROUNDS = 6
PATIENCE = 0.5  # seconds for an answer
SCRIPT = Path(__file__).with_name("release.sh")
PROXY = """
worker_processes auto;
events { worker_connections 1024; }
pid /tmp/nginx.pid;
error_log stderr;
http {
    access_log off;
    upstream app { include /tmp/servers.conf; keepalive 64; }
    server {
        listen 8080;
        location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }
    }
}
"""


def measure() -> Iterator[Figure]:
    """Yield start to first answer with default settings, in turn with the script; and CPU."""
    with on_stage() as operator:
        operator.write_stack({"replicas": 1, "health": {}}, keepalive="60s", drain_timeout="30s")
        operator.up()
        ours, theirs = _take_turns(operator)
    first = statistics.median(each.first - each.started for each in ours)
    script = statistics.median(theirs)
    yield Figure(
        "deploy to first answer / shell script",
        first / script,
        1.4,
        "lower",
        f"{first:.2f} s / {script:.2f} s, median of {ROUNDS}, defaults, 1 replica",
    )
    used = sorted(each.cpu for each in ours)
    yield Figure(
        "CPU of a deploy without build, s",
        statistics.median(used),
        0.9,
        "lower",
        f"user + system, median of {ROUNDS}, {used[0]:.2f} to {used[-1]:.2f}",
    )


def _take_turns(operator: Operator) -> tuple[list[Timed], list[float]]:
    ours, theirs = [], []
    port = _start_script_s_own(operator)
    for number in range(2, ROUNDS + 2):
        version = f"v{number}"
        image = build(operator, version)
        command = ("deploy", "app", "--version", version, "--no-build")
        ours.append(release(operator, version, *command))
        theirs.append(_run_script(operator, image, number, port))
    return ours, theirs


def _start_script_s_own(operator: Operator) -> int:
    """Have a version run behind an NGINX that the script has for itself; return its port."""
    name, image = _container(operator, 1), build(operator, "v1")
    network = naming.network_name(operator.name)
    host = operator.engine.create_host_config(network_mode=network)
    operator.engine.create_container(image, name=name, host_config=host)
    operator.engine.start(name)
    found = operator.engine.inspect_container(name)["NetworkSettings"]["Networks"][network]
    servers = {"tmp/servers.conf": f"server {found['IPAddress']}:8000;\n"}
    return run_nginx(operator, f"{operator.name}-proxy", PROXY, files=servers, publish=True)


def _run_script(operator: Operator, image: str, number: int, port: int) -> float:
    """Return the seconds from its start to the first answer of the new version."""
    argv = (
        "sh",
        str(SCRIPT),
        image,
        _container(operator, number),
        _container(operator, number - 1),
    )
    beside = (naming.network_name(operator.name), f"{operator.name}-proxy")
    started = time.time()
    with subprocess.Popen((*argv, *beside)) as process:
        while _ask(port) != f"v{number}":
            assert process.poll() in (None, 0), "the script failed"
            CLOCK.sleep(POLL)
        first = time.time()
    assert process.returncode == 0
    return first - started


def _container(operator: Operator, number: int) -> str:
    return f"{operator.name}-script-{number}"


def _ask(port: int) -> str:
    """Return the version that answers; empty where the script has left nobody who does."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
        try:
            connection.request("GET", "/")
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, http.client.HTTPException):  # it loses requests, and we may be among them
            return ""
    return str(json.loads(body)["version"]) if answer.status == 200 else ""
