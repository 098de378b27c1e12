"""What the rendered gateway costs a request, against a bare `proxy_pass` and the design before."""

from __future__ import annotations

import re
import statistics
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from benchmarks.bare import run_nginx
from benchmarks.figure import Figure
from benchmarks.nginx_workers import read_cpu
from benchmarks.scene import on_stage
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.operator import Operator

ROUNDS = 7
SECONDS = 4
CONNECTIONS = 32
TARGET = """
events { worker_connections 4096; }
pid /tmp/nginx.pid;
http {
    access_log off;
    server { listen 8000; keepalive_requests 1000000; location / { return 200 "ok\\n"; } }
}
"""
# Of other proxies before the same kind of target, once, each with a log: requests/s by the gateway's.
OTHERS = "HAProxy 1.09 and kamal-proxy 0.34 of the gateway, measured once"
# The same log, with what NGINX knows by itself; the same workers, and memory of the target's connections.
BARE = """
worker_processes WORKERS;
worker_rlimit_nofile 16384;
events { worker_connections 8000; }
pid /tmp/nginx.pid;
error_log /dev/stderr warn;
http {
    log_format bare escape=json
        '{"time":"$msec","request_id":"$request_id","client":"$remote_addr",'
        '"method":"$request_method","uri":"$request_uri","status":"$status",'
        '"bytes":"$body_bytes_sent","seconds":"$request_time","target":"target",'
        '"color":"","upstream":"$upstream_addr",'
        '"upstream_status":"$upstream_status","upstream_seconds":"$upstream_response_time",'
        '"cache":"$upstream_cache_status","witness":"$http_x_stackctl_witness"}';
    access_log /dev/stdout bare buffer=32k flush=500ms;
    keepalive_requests 100000;
    client_body_temp_path /tmp/a; proxy_temp_path /tmp/b; fastcgi_temp_path /tmp/c;
    uwsgi_temp_path /tmp/d; scgi_temp_path /tmp/e;
    upstream target { zone target 64k; server TARGET:8000; keepalive 64; keepalive_timeout 4s; }
    server {
        listen 8080 backlog=4096;
        location / { proxy_pass http://target; proxy_http_version 1.1; proxy_set_header Connection ""; }
    }
}
"""
RELOADING = Path(__file__).with_name("reloading.conf")


class Run(NamedTuple):
    """What one load got."""

    rate: float  # requests a second
    cpu: float  # microseconds of NGINX's own for a request


class Door(NamedTuple):
    """An NGINX that is loaded."""

    port: int
    master: int  # pid on this machine


def measure() -> Iterator[Figure]:
    """Yield requests a second of the rendered config over those of the two others, in turn."""
    with on_stage() as operator:
        operator.write_stack({"replicas": 1})
        operator.up()
        rounds = _compare(operator)
    ours, bare, before = (list(runs) for runs in zip(*rounds, strict=True))
    yield _figure("requests/s, gateway / the design before", ours, before, 0.95)
    yield _figure("requests/s, gateway / bare proxy_pass", ours, bare, 0.9, f"; {OTHERS}")


def _figure(name: str, ours: list[Run], theirs: list[Run], goal: float, beside: str = "") -> Figure:
    own, other = (
        (statistics.median(run.rate for run in runs), statistics.median(run.cpu for run in runs))
        for runs in (ours, theirs)
    )
    return Figure(
        name,
        statistics.median(a.rate / b.rate for a, b in zip(ours, theirs, strict=True)),
        goal,
        "higher",
        f"{own[0]:,.0f} / {other[0]:,.0f}, CPU {own[1]:.1f} / {other[1]:.1f} µs each, {ROUNDS} pairs{beside}",
    )


def _compare(operator: Operator) -> list[list[Run]]:
    """Put the same trivial target behind all three, and load them in turn."""
    replica = f"{operator.name}-app-blue-1"
    labels = operator.engine.inspect_container(replica)["Config"]["Labels"]
    operator.engine.remove_container(replica, force=True)
    run_nginx(operator, replica, TARGET, address=labels[naming.ADDRESS])
    ports = {f"{operator.name}-gateway": operator.public}
    workers = str(len(operator.workers()))
    for name, config in (("bare", BARE), ("before", RELOADING.read_text())):
        filled = config.replace("TARGET", replica).replace("WORKERS", workers)
        whole = f"{operator.name}-{name}"
        ports[whole] = run_nginx(operator, whole, filled, like_gateway=True, publish=True)
    doors = [
        Door(port, operator.engine.inspect_container(name)["State"]["Pid"])
        for name, port in ports.items()
    ]
    for door in doors:
        _load(door)
    return [_go_round(doors, back=number % 2 == 1) for number in range(ROUNDS)]


def _go_round(doors: list[Door], *, back: bool) -> list[Run]:
    """Load each once, every other time from the last to the first."""
    runs = [_load(door) for door in (reversed(doors) if back else doors)]
    return runs[::-1] if back else runs


def _load(door: Door) -> Run:
    """Return what `wrk` gets through a port of the loopback."""
    before = read_cpu(door.master)
    done = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", f"http://127.0.0.1:{door.port}/"],
        capture_output=True,
        text=True,
        check=True,
    )
    used = read_cpu(door.master) - before
    assert "Non-2xx" not in done.stdout, done.stdout
    rate = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    total = re.search(r"(\d+) requests in", done.stdout)
    assert rate, done.stdout
    assert total, done.stdout
    return Run(float(rate[1]), used / int(total[1]) * 1e6)
