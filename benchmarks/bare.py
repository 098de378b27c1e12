"""Containers of NGINX with a config of the benchmark's own, beside a stack."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING, Any

from orchestrator.stack import naming
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.e2e.operator import Operator

LIMITS = ("NanoCpus", "CpuQuota", "CpuPeriod", "Memory", "MemorySwap", "PidsLimit", "Ulimits")


def run_nginx(
    operator: Operator,
    name: str,
    config: str,
    *,
    files: Mapping[str, str] | None = None,
    address: str | None = None,
    like_gateway: bool = False,
    publish: bool = False,
) -> int:
    """Start NGINX in the stack's network; return the port of the host, 0 where none is published.

    `like_gateway` gives it what the stack's gateway may take of the machine.
    """
    client, port = operator.engine, free_port() if publish else 0
    network = naming.network_name(operator.name)
    ports: dict[int | str, Any] = {8080: ("127.0.0.1", port)} if publish else {}
    host = client.create_host_config(port_bindings=ports, network_mode=network)
    if like_gateway:
        gateway = naming.part_name(operator.name, "gateway")
        own = client.inspect_container(gateway)["HostConfig"]
        host |= {limit: own[limit] for limit in LIMITS if own.get(limit)}
    endpoint = client.create_endpoint_config(ipv4_address=address)
    container = client.create_container(
        f"{operator.environment['IMAGE_PREFIX']}nginx:1.30",
        name=name,
        entrypoint=["nginx"],
        command=["-c", "/bench.conf", "-g", "daemon off;"],
        ports=list(ports) or None,
        labels={naming.STACK: operator.name},  # so that it is removed in any case
        host_config=host,
        networking_config={"EndpointsConfig": {network: endpoint}},
    )["Id"]
    client.put_archive(container, "/", _pack({"bench.conf": config, **(files or {})}))
    client.start(container)
    return port


def _pack(files: Mapping[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name, text in files.items():
            file = tarfile.TarInfo(name)
            file.size, file.mode = len(text.encode()), 0o644
            archive.addfile(file, io.BytesIO(text.encode()))
    return buffer.getvalue()
