"""What the rendered gateway costs a request, against a bare `proxy_pass` and the design before."""

from __future__ import annotations

import re
import statistics
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.bare import run_nginx
from benchmarks.figure import Figure
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
# The same log, with what NGINX knows by itself; the same memory of the target's connections.
BARE = """
worker_processes auto;
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


def measure() -> Iterator[Figure]:
    """Yield requests a second of the rendered config over those of the two others, in turn."""
    with on_stage() as operator:
        operator.write_stack({"replicas": 1})
        operator.up()
        ours, bare, before = _compare(operator)
    yield _figure("requests/s, gateway / the design before", ours, before, 0.95)
    yield _figure("requests/s, gateway / bare proxy_pass", ours, bare, 0.75)


def _figure(name: str, ours: list[float], theirs: list[float], goal: float) -> Figure:
    return Figure(
        name,
        statistics.median(a / b for a, b in zip(ours, theirs, strict=True)),
        goal,
        "higher",
        f"{statistics.median(ours):,.0f} / {statistics.median(theirs):,.0f},"
        f" median of {ROUNDS} pairs, same log, limits and keep-alive",
    )


def _compare(operator: Operator) -> tuple[list[float], list[float], list[float]]:
    """Put the same trivial target behind all three, and load them in turn."""
    replica = f"{operator.name}-app-blue-1"
    labels = operator.engine.inspect_container(replica)["Config"]["Labels"]
    operator.engine.remove_container(replica, force=True)
    run_nginx(operator, replica, TARGET, address=labels[naming.ADDRESS])
    ports = [operator.public]
    for name, config in (("bare", BARE), ("before", RELOADING.read_text())):
        filled = config.replace("TARGET", replica)
        port = run_nginx(
            operator, f"{operator.name}-{name}", filled, like_gateway=True, publish=True
        )
        ports.append(port)
    for port in ports:
        _load(port)
    ours, bare, before = zip(*[[_load(port) for port in ports] for _ in range(ROUNDS)], strict=True)
    return list(ours), list(bare), list(before)


def _load(port: int) -> float:
    """Return requests a second that `wrk` gets through a port of the loopback."""
    done = subprocess.run(
        ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}s", f"http://127.0.0.1:{port}/"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "Non-2xx" not in done.stdout, done.stdout
    found = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    assert found, done.stdout
    return float(found[1])
