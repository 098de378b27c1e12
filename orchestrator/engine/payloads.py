"""What Docker's API takes and gives, from and to values of our own."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from docker.types import LogConfig, Mount
from docker.types import Ulimit as Limit

from orchestrator.engine.values import SCRATCH, Container, ContainerSpec
from orchestrator.stack import naming
from orchestrator.stack.quantities import IPV6, Address

if TYPE_CHECKING:
    from collections.abc import Mapping

    import docker

LOGS = LogConfig(type=LogConfig.types.JSON, config={"max-size": "10m", "max-file": "5"})
# Not `unless-stopped`: an engine that is killed takes its containers for stopped by hand (seen on
# 20.10), and brings them back no more.
PERSISTENT: Any = {"Name": "always"}
RESTING: Any = {"Name": "no"}
MAC_IN_ENDPOINT = (
    "1.44"  # version of the API from which on an endpoint has its MAC, not a container
)
NANO = 1_000_000_000
# What an image needs that starts as root, to hand its volume over and go on as another user.
# Nothing of it reaches further than the container: it cannot send packets under another address.
HANDING_OVER = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETPCAP", "SETUID"]
SCRATCH_SIZE = 64 * 1024**2  # bytes
UNNAMED = "[0-9a-f]{64}"  # the engine's own names, of volumes that nobody has given one


def to_networking(client: docker.APIClient, spec: ContainerSpec) -> Any:
    """Return the network that a container starts in."""
    if spec.network is None:
        return None
    endpoint = client.create_endpoint_config(
        aliases=list(spec.aliases),
        links=list(spec.links) or None,
        ipv4_address=spec.address,
        mac_address=_derive_mac(spec) if is_modern(client) else None,
    )
    endpoints: Any = {spec.network: endpoint}  # the stubs want one endpoint here
    return client.create_networking_config(endpoints)


def to_mac(client: docker.APIClient, spec: ContainerSpec) -> str | None:
    """Return the MAC of a container with a fixed address, for an API that has it there."""
    return None if is_modern(client) else _derive_mac(spec)


def is_modern(client: docker.APIClient) -> bool:
    """Whether the API takes a MAC with the endpoint."""
    now, since = (
        tuple(map(int, version.split("."))) for version in (client.api_version, MAC_IN_ENDPOINT)
    )
    return now >= since


def _derive_mac(spec: ContainerSpec) -> str | None:
    """Make a MAC from a fixed address: whoever has the address has the MAC.

    So the next container at an address is found at once: with another MAC, neighbours would send to
    the old one for some 46 s (measured) until their ARP entry ends.
    """
    if spec.address is None:
        return None
    return ":".join(["02", "42", *(f"{int(part):02x}" for part in spec.address.split("."))])


def to_host_config(
    client: docker.APIClient, spec: ContainerSpec, user: str, mounts: list[Mount]
) -> dict[str, Any]:
    """Return how a container runs on its host: mounts, rights and limits. `user` is who runs in it."""
    return dict(
        client.create_host_config(
            binds={
                volume.name: {"bind": volume.path, "mode": "ro" if volume.read_only else "rw"}
                for volume in spec.volumes
            },
            port_bindings={
                port: [(host, address.port) for host in address.bindings]
                for port, address in spec.ports
            },
            restart_policy=_to_restart_policy(spec),
            # An API before 1.44 takes a MAC for the network of that mode only.
            network_mode=spec.network if spec.address else None,
            cap_drop=["ALL"],
            cap_add=HANDING_OVER if spec.capabilities else None,
            security_opt=["no-new-privileges"],
            read_only=spec.read_only,
            mounts=mounts or None,
            tmpfs=_to_scratch(spec, user) or None,
            shm_size=spec.shared_memory,
            ulimits=[Limit(name=one.name, soft=one.soft, hard=one.hard) for one in spec.ulimits],
            extra_hosts=dict(spec.hosts),
            mem_limit=spec.memory,
            memswap_limit=spec.memory,
            nano_cpus=round(spec.cpus * NANO),
            pids_limit=spec.pids,
            init=spec.init,
            log_config=LOGS,
        )
    )


def _to_restart_policy(spec: ContainerSpec) -> Any:
    """Return when the engine starts a container again.

    To Docker, what was sent a signal, be it a HUP, is "stopped by hand" from then on (seen on 20.10):
    `unless-stopped` brings it back neither after a crash nor after a reboot. `always` does, but only
    where the signal is known not to be the one that stops it.
    """
    return PERSISTENT if spec.persistent else RESTING


def _to_scratch(spec: ContainerSpec, user: str) -> dict[str, str]:
    """Return the folders in memory; a read-only root has a /tmp there, unless something is mounted.

    Where the image has a folder of that path, runc gives its rights to the one in memory, whatever
    `mode` says (seen on 1.1.5), but not its owner: so that is who runs there, as far as it is a number.
    """
    sizes = {one.path: one.size for one in spec.memory_folders}
    if spec.read_only and SCRATCH not in {volume.path for volume in spec.volumes}:
        sizes.setdefault(SCRATCH, SCRATCH_SIZE)
    numbers = (f"{key}={one}" for key, one in zip(("uid", "gid"), user.split(":"), strict=False))
    owner = "," + ",".join(numbers) if re.fullmatch(r"[0-9]+(:[0-9]+)?", user) else ""
    return {path: f"rw,noexec,nosuid,size={size},mode=1777{owner}" for path, size in sizes.items()}


def to_healthcheck(spec: ContainerSpec) -> dict[str, Any] | None:
    """Return the command that tells whether a container is ready."""
    if spec.health is None:
        return None
    return {
        "test": ["CMD", *spec.health.argv],
        "interval": round(spec.health.interval * NANO),
        "timeout": round(spec.health.timeout * NANO),
    }


def to_container(entry: Mapping[str, Any]) -> Container:
    """Read an entry of the engine's list."""
    status = entry.get("Status") or ""
    networks = (entry.get("NetworkSettings") or {}).get("Networks") or {}
    stack = (entry.get("Labels") or {}).get(naming.STACK)
    own = (naming.network_name(stack or ""), stack)
    own_first = sorted(networks, key=lambda name: own.index(name) if name in own else len(own))
    addresses = [networks[name].get("IPAddress") for name in own_first]
    ended = re.match(r"Exited \((\d+)\)", status)
    return Container(
        id=entry["Id"],
        name=(entry.get("Names") or ["/"])[0].lstrip("/"),
        image=entry.get("ImageID") or "",
        state=entry.get("State") or "",
        labels=entry.get("Labels") or {},
        address=next((address for address in addresses if address), ""),
        addresses={
            name: _to_address(endpoint, runs=entry.get("State") == "running")
            for name, endpoint in networks.items()
        },
        health=next(
            (word for word in ("unhealthy", "healthy", "starting") if f"{word})" in status), ""
        ),
        exit_code=int(ended[1]) if ended else None,
        unnamed={
            mount["Destination"]: mount["Name"]
            for mount in entry.get("Mounts") or ()
            if mount.get("Type") == "volume" and re.fullmatch(UNNAMED, mount.get("Name", ""))
        },
        doors={
            port["PrivatePort"]: Address(port["IP"], port["PublicPort"])
            # `::` is told last: where it is there beside `0.0.0.0`, it means both.
            for port in sorted(
                entry.get("Ports") or (), key=lambda port: str(port.get("IP")) == IPV6
            )
            if "PublicPort" in port and port.get("IP")
        },
    )


def _to_address(endpoint: Mapping[str, Any], *, runs: bool) -> str:
    """Return where a container is in a network, or will be where it has a fixed address there."""
    fixed = (endpoint.get("IPAMConfig") or {}).get("IPv4Address")
    return str(endpoint.get("IPAddress") or (not runs and fixed) or "")
