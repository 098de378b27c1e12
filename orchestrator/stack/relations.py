"""Faults between values: what no single value of stack.yaml can be blamed for.

They are looked for in the raw document, so that they are reported together with wrong types and
unknown keys rather than only after those were mended.
"""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any, get_args

from pydantic import ValidationError

from orchestrator.stack.assets import find_asset_faults
from orchestrator.stack.claims import (
    Services,
    find_challenge_faults,
    find_gateway_host_faults,
    find_route_faults,
    list_routes,
)
from orchestrator.stack.document import Fault
from orchestrator.stack.door import fill_door, find_door_faults
from orchestrator.stack.filled import Filled, quote, to_text
from orchestrator.stack.model import Color, Network
from orchestrator.stack.places import find_place_faults, find_publication_faults
from orchestrator.stack.protocol import find_protocol_faults
from orchestrator.stack.quantities import (
    Address,
    Networks,
    may_be_of_engine,
    parse_address,
    parse_network,
)
from orchestrator.stack.tls import TLS_LISTEN
from orchestrator.stack.unit import find_unit_faults
from orchestrator.stack.worker import find_worker_faults, is_worker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

RESERVED = frozenset({"gateway", "gateway-scratch", "lock"})  # parts and volumes of stackctl itself


def find_relation_faults(document: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what does not fit together, whatever else is wrong with the document."""
    services = _mappings(document.get("services"))
    accessories = _mappings(document.get("accessories"))
    yield from find_door_faults(document.get("gateway"), services)
    document = {**document, "gateway": fill_door(document.get("gateway"))}
    yield from _image_faults(services)
    yield from _name_faults(services, accessories)
    yield from find_route_faults(services)
    yield from find_asset_faults(services)
    yield from find_gateway_host_faults(document.get("gateway"), services)
    yield from find_challenge_faults(document.get("gateway"), services)
    yield from find_worker_faults(services)
    yield from find_protocol_faults(services, document.get("gateway"))
    yield from _need_faults(services, accessories)
    yield from _job_faults(_mappings(document.get("jobs")), services)
    for group, parts in (("services", services), ("accessories", accessories)):
        yield from _volume_faults(group, parts)
        yield from find_place_faults(document, group, parts)
        yield from _host_faults(group, parts, {*services, *accessories})
    yield from find_publication_faults(document, accessories)
    yield from _port_faults(document.get("gateway"), services)
    yield from _network_faults(document)


def _network_faults(document: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield that the subnet is too small, where all that this depends on can be read."""
    try:
        network = Network.model_validate(document.get("network") or {})
        wanted = sum(
            2 * _count_replicas(one)
            for one in _mappings(document.get("services")).values()
            if not is_worker(one)
        )
    except ValidationError:
        return  # reported with its path by the model
    if network.subnet is None:
        return
    room = network.subnet.num_addresses * 3 // 4 - 1  # the rest is the engine's
    if wanted > room:
        yield Fault(
            "network.subnet",
            f"`{quote(document['network']['subnet'])}` has room for {room} replicas, and there may be {wanted}: those of"
            " both colors",
        )


def _count_replicas(service: Mapping[str, Any]) -> int:
    replicas = service.get("replicas", 1)
    return replicas if isinstance(replicas, int) else 1


def _mappings(value: object) -> dict[str, dict[str, Any]]:
    if not isinstance(value, dict):
        return {}
    return {to_text(name): inner for name, inner in value.items() if isinstance(inner, dict)}


def _image_faults(services: dict[str, dict[str, Any]]) -> Iterator[Fault]:
    for name, service in services.items():
        has = [service.get(key) is not None for key in ("build", "image")]
        if all(has):
            text = "has both `build` and `image`: expected one of them"
            yield Fault(f"services.{quote(name)}", text)
        elif not any(has):
            text = "has neither `build` nor `image`: expected one of them"
            yield Fault(f"services.{quote(name)}", text)


def _name_faults(
    services: dict[str, dict[str, Any]], accessories: dict[str, dict[str, Any]]
) -> Iterator[Fault]:
    for name in accessories:
        service, color, number = (*name.rsplit("-", 2), "", "")[:3]
        if name in services:
            yield Fault(f"accessories.{quote(name)}", "expected a name that no service has")
        if service in services and color in get_args(Color) and number.isdecimal():
            yield Fault(
                f"accessories.{quote(name)}",
                f"expected a name that no replica of `{quote(service)}` has",
            )
        migrated = name.removesuffix("-migration")
        if migrated != name and (services.get(migrated) or {}).get("migrate") is not None:
            yield Fault(
                f"accessories.{quote(name)}",
                f"expected a name that the migration of `{quote(migrated)}` has not",
            )
    for group, parts in (("services", services), ("accessories", accessories)):
        for name in parts.keys() & RESERVED:
            yield Fault(
                f"{group}.{quote(name)}", "is the name of a part of stackctl, expected another"
            )


def _need_faults(
    services: dict[str, dict[str, Any]], accessories: dict[str, dict[str, Any]]
) -> Iterator[Fault]:
    graph: dict[str, list[str]] = {}
    for name, service in services.items():
        needs = service.get("needs")
        wanted = (
            [need for need in needs if isinstance(need, str)] if isinstance(needs, list) else []
        )
        for need in wanted:
            if need not in services and need not in accessories:
                known = ", ".join(sorted(map(quote, services.keys() | accessories.keys())))
                yield Fault(
                    f"services.{quote(name)}.needs",
                    f"no `{quote(need)}` in the stack; there is {known}",
                )
        graph[name] = [need for need in wanted if need in services]
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield Fault(
            "services",
            "`needs` go in a circle: " + " -> ".join(map(quote, reversed(error.args[1]))),
        )
    yield from find_unit_faults(services, graph)


def _job_faults(
    jobs: dict[str, dict[str, Any]], services: dict[str, dict[str, Any]]
) -> Iterator[Fault]:
    for name, job in jobs.items():
        service = job.get("service")
        if isinstance(service, str) and service not in services:
            known = ", ".join(sorted(map(quote, services)))
            yield Fault(
                f"jobs.{quote(name)}.service",
                f"no service `{quote(service)}` in the stack; there is {known}",
            )


def _volume_faults(group: str, parts: dict[str, dict[str, Any]]) -> Iterator[Fault]:
    for name, part in parts.items():
        volumes = part.get("volumes")
        for position, mount in enumerate(volumes if isinstance(volumes, list) else ()):
            volume = str(mount).partition(":")[0]
            told = quote(mount) if isinstance(mount, Filled) else volume
            if volume in RESERVED:
                yield Fault(
                    f"{group}.{quote(name)}.volumes.{position}",
                    f"`{told}` is a volume of stackctl itself, expected another",
                )


def _host_faults(group: str, parts: dict[str, dict[str, Any]], names: set[str]) -> Iterator[Fault]:
    for name, part in parts.items():
        hosts = part.get("extra_hosts")
        for host in hosts if isinstance(hosts, dict) else ():
            if host not in {*names, "gateway"}:
                continue
            yield Fault(
                f"{group}.{quote(name)}.extra_hosts.{quote(host)}",
                "is the name of a part of this stack, expected another",
            )


def _port_faults(gateway: object, services: Services) -> Iterator[Fault]:
    if not isinstance(gateway, dict):
        return
    addresses: dict[str, Address] = {}
    defaults = {"listen": "8080", "admin": "127.0.0.1:8081"}
    for key, default in defaults.items():
        try:
            address = parse_address(gateway.get(key, default))
        except ValueError:
            continue  # reported with its path by the model
        if isinstance(address, Address):
            addresses[key] = address
    if "admin" in addresses and not addresses["admin"].host.startswith("127."):
        yield Fault("gateway.admin", "expected a loopback address such as `127.0.0.1:8081`")
    if len({address.port for address in addresses.values()}) < len(addresses):
        yield Fault("gateway.admin", "expected another port than `gateway.listen` has")
    yield from _tls_faults(gateway.get("tls"), addresses)
    if _is_ipv6_outside(gateway, addresses):
        yield from _ipv6_faults(gateway, services)


def _ipv6_faults(gateway: dict[str, Any], services: Services) -> Iterator[Fault]:
    """Yield who is let in, or believed, by an address that all who come by IPv6 have."""
    pause = gateway.get("pause")
    allowed = pause.get("allow") if isinstance(pause, dict) else None
    yield from _engine_faults("gateway.trusted_proxies", gateway.get("trusted_proxies"))
    yield from _engine_faults("gateway.pause.allow", allowed)
    for place, _, route, _ in list_routes(services):
        yield from _engine_faults(f"{place}.allow", route.get("allow"))


def _tls_faults(tls: object, addresses: Mapping[str, Address]) -> Iterator[Fault]:
    """Yield that TLS is to be where something else is already."""
    if not isinstance(tls, dict):
        return
    try:
        wanted = parse_address(tls.get("listen", TLS_LISTEN))
    except ValueError:
        return  # reported with its path by the model
    for key, address in addresses.items():
        if isinstance(wanted, Address) and wanted.port == address.port:
            yield Fault("gateway.tls.listen", f"expected another port than `gateway.{key}` has")


def _is_ipv6_outside(gateway: dict[str, Any], addresses: Mapping[str, Address]) -> bool:
    """Whether clients of other machines come to a door of the gateway's by IPv6."""
    doors = [addresses["listen"]] if "listen" in addresses else []
    tls = gateway.get("tls")
    if isinstance(tls, dict):
        try:
            door = parse_address(tls.get("listen", TLS_LISTEN))
        except ValueError:
            door = None  # reported with its path by the model
        doors += [door] if isinstance(door, Address) else []
    return any(door.is_ipv6_outside for door in doors)


def _engine_faults(place: str, networks: object) -> Iterator[Fault]:
    """Yield what may be the engine's own address, which all who come by IPv6 have."""
    for position, written in enumerate(networks if isinstance(networks, list) else ()):
        try:
            network = parse_network(written)
        except ValueError:
            continue  # reported with its path by the model
        if isinstance(network, Networks) and may_be_of_engine(network):
            yield Fault(
                f"{place}.{position}",
                f"`{quote(written)}` may be the engine's own address, which all clients of an IPv6"
                " `gateway.listen` have: expected the address of a single client",
            )
