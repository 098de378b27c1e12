"""Where what runs is not what stack.yaml wants, in words; `status` prints it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.errors import ConfigurationError
from orchestrator.gateway.config import Earlier, Newer
from orchestrator.gateway.container import find_front, fit_gateway, gateway_spec
from orchestrator.gateway.render import render
from orchestrator.release.count import find_count
from orchestrator.release.provision import provide
from orchestrator.release.specs import accessory_spec, is_made_from, replica_specs
from orchestrator.release.unit import find_uneven
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.gateway.lane import Target
    from orchestrator.release.house import House
    from orchestrator.release.observe import Snapshot
    from orchestrator.release.provision import Provision
    from orchestrator.release.replica import Replica
    from orchestrator.stack.model import Stack

OTHER = "runs with other settings than stack.yaml has"


def find_drift(house: House, snapshot: Snapshot) -> list[str]:
    """Return all that differs. What only `secrets_command` knows is not asked for, and not compared."""
    if snapshot.gateway is None:
        return ["the gateway does not exist"]
    return [
        *_compare_config(house.stack, snapshot),
        *_compare_services(house, snapshot),
        *_compare_units(house.stack, snapshot),
        *find_drift_of_parts(house, snapshot, ask=False),
    ]


def warn_of_drift(container: str) -> str:
    """Return the warning of a container that `up` leaves as it is, and how it is made anew."""
    return f"`{container}` {OTHER}; `stackctl up --allow-downtime` recreates it"


def tell_of_lost_address(container: str, network: str, has: str | None, address: str) -> str:
    """Say that a container runs where the gateway does not reach it."""
    if has:
        return f"`{container}` is at {has}, and not at {address}"
    return f"`{container}` runs, and is not in the network `{network}`"


def find_drift_of_parts(house: House, snapshot: Snapshot, *, ask: bool = True) -> list[str]:
    """Return how the gateway and the accessories differ: only `up --allow-downtime` changes them."""
    found = [*_compare_accessories(house, snapshot, ask=ask)]
    if snapshot.gateway and not is_made_from(snapshot.gateway, gateway_spec(house.stack)):
        found.append(f"the gateway {OTHER}")
    return found


def _compare_config(stack: Stack, snapshot: Snapshot) -> Iterator[str]:
    match snapshot.strange:
        case Earlier():
            yield "the stack was brought up by an earlier stackctl"
        case Newer(layout):
            yield f"a newer stackctl has been at work (layout {layout})"
    config = snapshot.config
    if config is None:
        return
    fitted = fit_gateway(stack, snapshot.gateway)
    has_all, front = config.table.has(stack), find_front(snapshot.gateway)
    wanted = render(fitted, config.table, config.certificates, config.supplies, front)
    if not has_all or wanted.id != config.id:
        yield "the NGINX config is not the one that stack.yaml renders to"
    if snapshot.current != config.id:
        yield "NGINX serves another config than the one it would start with"


def _compare_services(house: House, snapshot: Snapshot) -> Iterator[str]:
    stack = house.stack
    for name in stack.services:
        active = snapshot.lane(name).active
        if active is None:
            yield f"service `{name}` has not been released"
            continue
        yield from _compare_service(house, snapshot, name, active)
    for name in sorted({replica.service for replica in snapshot.replicas} - stack.services.keys()):
        yield f"service `{name}` has containers, but stack.yaml does not have it"
    for stranger in snapshot.strangers:
        yield f"container `{stranger.name}` carries this stack's label, but is none of ours"


def _compare_units(stack: Stack, snapshot: Snapshot) -> Iterator[str]:
    for leader, companion in find_uneven(stack, snapshot):
        wanted, has = snapshot.version(leader), snapshot.version(companion)
        yield (
            f"service `{companion}` has {has}, and `{leader}`, with which it goes, {wanted}:"
            f" `stackctl up` brings it to {wanted}"
        )


def _compare_service(house: House, snapshot: Snapshot, name: str, active: Target) -> Iterator[str]:
    stack = house.stack
    said = stack.services[name].replicas
    wanted = find_count(stack.services[name], active)
    if wanted != said:
        yield f"service `{name}` was scaled to {wanted}, and stack.yaml says {said} replicas"
    running = [r for r in snapshot.of(name, active.color) if r.container.running]
    if len(running) != wanted:
        yield f"service `{name}` runs {len(running)} of {wanted} replicas"
    if not house.must_ask(stack.services[name]):
        try:
            given = provide(house, stack.services[name], f"services.{name}")
        except ConfigurationError as error:
            yield error.message
            return
        if any(_is_other(stack, snapshot, replica, active, given) for replica in running):
            yield f"service `{name}` {OTHER}"
    network = naming.network_name(stack.name)
    for replica in running:
        address = snapshot.table.address(name, replica.color, replica.number)
        has = replica.container.addresses.get(network)
        if address and has != address:
            yield tell_of_lost_address(replica.container.name, network, has, address)


def _is_other(
    stack: Stack,
    snapshot: Snapshot,
    replica: Replica,
    active: Target,
    given: Provision,
) -> bool:
    """Whether a replica was made from other settings than stack.yaml has; its image is its own."""
    upstream = snapshot.table.of(replica.service, replica.color)
    port = stack.services[replica.service].port
    if upstream is None and port is not None:
        return False
    wanted = replace(upstream, port=port) if upstream and port is not None else None
    image = replica.container.image
    spec = replica_specs(stack, replica.service, active, image, given, wanted)[0]
    return not is_made_from(replica.container, spec)


def _compare_accessories(house: House, snapshot: Snapshot, *, ask: bool) -> Iterator[str]:
    for name, accessory in house.stack.accessories.items():
        found = snapshot.accessories.get(name)
        if not ask and house.must_ask(accessory):
            continue
        try:
            given = provide(house, accessory, f"accessories.{name}")
        except ConfigurationError as error:
            yield error.message
            continue
        if found is None:
            yield f"accessory `{name}` does not exist"
        elif not is_made_from(found, accessory_spec(house.stack, name, given)):
            yield f"accessory `{name}` {OTHER}"
