"""The stack's network on Docker: one whose addresses can be given out by us as well as by the engine.

Docker takes fixed addresses only in a network whose subnet was given. So where stack.yaml names
none, the engine chooses one, and the network is made again with it.
"""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Any

from docker.types import IPAMConfig, IPAMPool

from orchestrator.engine.connection import translated
from orchestrator.engine.values import Named, Network
from orchestrator.errors import Conflict, EngineError
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import docker

TRIES = 8  # somebody else may take the subnet between the two makings
OVERLAPS = "overlaps"  # the engine's word where a subnet is taken
EXHAUSTED = "non-overlapping"  # and where it has none left to choose from
TAKEN = "Address already in use"  # and where a fixed address is taken
GONE = "network .* not found"  # and where a container's network is not there any more
NAME_ONE = "name one that is free: `network: {subnet: 10.77.0.0/24}` in stack.yaml"


def find_network(client: docker.APIClient, name: str) -> Network | None:
    """Return a network by its name; None where there is none. Raises EngineError."""
    with translated(f"looking at network `{name}`"):
        found = client.networks(filters={"name": f"^{name}$"})
        return to_network(client.inspect_network(found[0]["Id"])) if found else None


def ensure_network(
    client: docker.APIClient,
    name: str,
    labels: Mapping[str, str],
    *,
    internal: bool,
    subnet: str | None,
) -> Network:
    """Make a network unless it is there. Raises Conflict where what is there is another one."""
    found = find_network(client, name)
    if found is not None:
        _refuse_other(found, labels, internal=internal, subnet=subnet)
        return found
    for attempt in range(TRIES):
        chosen = subnet or _choose(client, name, labels)
        try:
            _make(client, name, labels, _to_pool(chosen), internal=internal)
        except EngineError as error:
            if OVERLAPS in error.message and subnet:
                raise Conflict(
                    f"the subnet {subnet} is taken: {error.message}", NAME_ONE
                ) from error
            if OVERLAPS not in error.message or attempt == TRIES - 1:
                raise
        else:
            break
    made = find_network(client, name)
    if made is None:
        raise EngineError(f"network `{name}` was removed while it was made")
    return made


def to_network(entry: Mapping[str, Any]) -> Network:
    """Read what the engine says of a network."""
    pools: Sequence[Mapping[str, str]] = (entry.get("IPAM") or {}).get("Config") or ()
    pool = next((one for one in pools if ":" not in one.get("Subnet", "")), {})
    members = (entry.get("Containers") or {}).values()
    return Network(
        name=entry["Name"],
        labels=entry.get("Labels") or {},
        internal=bool(entry.get("Internal")),
        subnet=pool.get("Subnet", ""),
        pool=pool.get("IPRange", ""),
        gateway=pool.get("Gateway", "").partition("/")[0],
        holders={
            member["IPv4Address"].partition("/")[0]: member["Name"]
            for member in members
            if member.get("IPv4Address")
        },
    )


def explain_taken_address(client: docker.APIClient, container: str, error: EngineError) -> None:
    """Raise EngineError with the holder's name where a container's fixed address is taken."""
    if TAKEN not in error.message:
        return
    with translated("looking at a container"):
        networks = client.inspect_container(container)["NetworkSettings"]["Networks"]
    for name, endpoint in networks.items():
        address = (endpoint.get("IPAMConfig") or {}).get("IPv4Address", "")
        network = find_network(client, name)
        holder = network.holders.get(address) if network else None
        if holder:
            raise EngineError(
                f"the address {address} of a replica is taken by `{holder}`",
                f"start it without `--ip`, or stop it: `docker stop {holder}`",
            ) from error


def rejoin(client: docker.APIClient, container: str, error: EngineError) -> bool:
    """Take a container that does not start into networks that were made anew; return whether any was.

    The engine knows a container's networks by their ids: one of the same name is another one to it.
    Raises EngineError where a fixed address is not of the new network's.
    """
    if not re.search(GONE, error.message):
        return False
    with translated("looking at a container"):
        endpoints = client.inspect_container(container)["NetworkSettings"]["Networks"]
        ids = {one["Name"]: one["Id"] for one in client.networks(names=[*endpoints])}
    anew = [
        name
        for name, one in endpoints.items()
        if ids.get(name, one["NetworkID"]) != one["NetworkID"]
    ]
    for name in anew:
        address = (endpoints[name].get("IPAMConfig") or {}).get("IPv4Address")
        aliases = [
            alias for alias in endpoints[name].get("Aliases") or () if alias != container[:12]
        ]
        links = [tuple(link.split(":", 1)) for link in endpoints[name].get("Links") or ()]
        with translated(f"connecting `{container[:12]}` to `{name}`, which was made anew"):
            client.disconnect_container_from_network(container, name, force=True)
            client.connect_container_to_network(
                container, name, ipv4_address=address, aliases=aliases, links=links or None
            )
    return bool(anew)


def _refuse_other(
    found: Network, labels: Mapping[str, str], *, internal: bool, subnet: str | None
) -> None:
    holder = Named("network", found.name, found.labels)
    if holder.owner != labels.get(naming.STACK):
        raise Conflict(holder.told, holder.hint)
    change = "a network cannot be changed while it is used: `stackctl down`, then `stackctl up`"
    if found.internal is not internal:
        kind = "internal" if found.internal else "not internal"
        raise Conflict(f"network `{found.name}` exists and is {kind}", change)
    if subnet and found.subnet != subnet:
        raise Conflict(
            f"network `{found.name}` has the subnet {found.subnet}, stack.yaml wants {subnet}",
            change,
        )


def _choose(client: docker.APIClient, name: str, labels: Mapping[str, str]) -> str:
    """Return a subnet that is free, by letting the engine make a network and removing it again.

    It has a name of its own: whoever dies in between leaves nothing under the real one.
    """
    probe = f"{name}-probe"
    chosen = find_network(client, probe)
    if chosen is None:
        try:
            _make(client, probe, labels, None, internal=True)
        except EngineError as error:
            if EXHAUSTED not in error.message:
                raise
            raise EngineError(
                "the engine has no subnet left for another network", NAME_ONE
            ) from error
        chosen = find_network(client, probe)
    if chosen is None:
        raise EngineError(f"network `{probe}` was removed while it was made")
    with translated(f"removing network `{probe}`"):
        client.remove_network(probe)
    return chosen.subnet


def _to_pool(subnet: str) -> IPAMPool:
    """Leave the last quarter of a subnet to the engine; the rest is given out by us."""
    network = ipaddress.IPv4Network(subnet)
    *_, last = network.subnets(prefixlen_diff=2)
    return IPAMPool(subnet=subnet, iprange=str(last), gateway=str(network.broadcast_address - 1))


def _make(
    client: docker.APIClient,
    name: str,
    labels: Mapping[str, str],
    pool: IPAMPool | None,
    *,
    internal: bool,
) -> None:
    with translated(f"making network `{name}`"):
        client.create_network(
            name,
            driver="bridge",
            ipam=IPAMConfig(pool_configs=[pool]) if pool else None,
            labels=dict(labels),
            check_duplicate=True,
            internal=internal,
        )
