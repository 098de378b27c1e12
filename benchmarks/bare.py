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

# What a gateway's container may do and take, so that nothing but the config differs.
FENCES = (
    "NanoCpus",
    "CpuQuota",
    "CpuPeriod",
    "Memory",
    "MemorySwap",
    "PidsLimit",
    "Ulimits",
    "CapDrop",
    "SecurityOpt",
    "LogConfig",
)


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

    `like_gateway` gives it what the stack's gateway may do, and take of the machine.
    """
    client, port = operator.engine, free_port() if publish else 0
    network = naming.network_name(operator.name)
    ports: dict[int | str, Any] = {8080: ("127.0.0.1", port)} if publish else {}
    host = client.create_host_config(port_bindings=ports, network_mode=network)
    user = None
    if like_gateway:
        gateway = client.inspect_container(naming.part_name(operator.name, "gateway"))
        own, user = gateway["HostConfig"], gateway["Config"]["User"]
        host |= {fence: own[fence] for fence in FENCES if own.get(fence)}
    endpoint = client.create_endpoint_config(ipv4_address=address)
    container = client.create_container(
        f"{operator.environment['IMAGE_PREFIX']}nginx:1.30",
        name=name,
        entrypoint=["nginx"],
        command=["-c", "/bench.conf", "-g", "daemon off;"],
        ports=list(ports) or None,
        user=user,
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
