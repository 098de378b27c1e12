"""What the rendered gateway costs, against NGINX with nothing but a `proxy_pass`."""

from __future__ import annotations

import io
import re
import secrets
import statistics
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.figure import Figure
from tests.e2e.operator import Operator
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

ROUNDS = 5
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
BARE = """
worker_processes auto;
events { worker_connections 8000; }
pid /tmp/nginx.pid;
error_log stderr;
http {
    access_log /dev/stdout;
    client_body_temp_path /tmp/a; proxy_temp_path /tmp/b; fastcgi_temp_path /tmp/c;
    uwsgi_temp_path /tmp/d; scgi_temp_path /tmp/e;
    upstream target { server TARGET:8000; keepalive 64; }
    server {
        listen 8080;
        location / { proxy_pass http://target; proxy_http_version 1.1; proxy_set_header Connection ""; }
    }
}
"""


def measure() -> Iterator[Figure]:
    """Yield requests a second through the rendered config over those through the bare one."""
    with tempfile.TemporaryDirectory() as folder:
        operator = Operator(Path(folder), f"bench{secrets.token_hex(3)}")
        try:
            operator.write_stack({"replicas": 1})
            operator.up()
            ours, bare = _compare(operator)
        finally:
            operator.remove_everything()
    yield Figure(
        "requests/s, rendered gateway / bare proxy_pass",
        statistics.median(a / b for a, b in zip(ours, bare, strict=True)),
        0.95,
        "higher",
        f"{statistics.median(ours):,.0f} / {statistics.median(bare):,.0f}, median of {ROUNDS} pairs",
    )


def _compare(operator: Operator) -> tuple[list[float], list[float]]:
    """Put the same trivial target behind both, and load them in turn."""
    client, image = operator.engine, f"{operator.environment['IMAGE_PREFIX']}nginx:1.30"
    replica = f"{operator.name}-app-blue-1"
    client.remove_container(replica, force=True)
    port = free_port()
    started = []
    try:
        published: dict[int | str, Any] = {8080: ("127.0.0.1", port)}
        bare = BARE.replace("TARGET", replica)
        started.append(_run_nginx(operator, image, replica, TARGET, {}))
        started.append(_run_nginx(operator, image, f"{operator.name}-bare", bare, published))
        _load(operator.public)
        _load(port)
        pairs = [(_load(operator.public), _load(port)) for _ in range(ROUNDS)]
    finally:
        for container in started:
            client.remove_container(container, force=True)
    return [ours for ours, _ in pairs], [bare for _, bare in pairs]


def _run_nginx(
    operator: Operator, image: str, name: str, config: str, ports: dict[int | str, Any]
) -> str:
    client = operator.engine
    container = str(
        client.create_container(
            image,
            name=name,
            entrypoint=["nginx"],
            command=["-c", "/bench.conf", "-g", "daemon off;"],
            ports=list(ports) or None,
            host_config=client.create_host_config(port_bindings=ports, network_mode=operator.name),
        )["Id"]
    )
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        file = tarfile.TarInfo("bench.conf")
        file.size, file.mode = len(config), 0o644
        archive.addfile(file, io.BytesIO(config.encode()))
    client.put_archive(container, "/", buffer.getvalue())
    client.start(container)
    return container


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
