"""What of before is as a release wants it: pure. So it is used again, or nothing is released at all."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.gateway.container import find_front, fit_gateway
from orchestrator.gateway.render import render
from orchestrator.release.specs import is_made_from
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Collection

    from orchestrator.engine.values import Container, ContainerSpec
    from orchestrator.gateway.addresses import AddressTable
    from orchestrator.gateway.config import Config
    from orchestrator.gateway.lane import Lane
    from orchestrator.release.observe import Snapshot
    from orchestrator.release.replica import Replica
    from orchestrator.stack.model import Service, Stack


def find_before(lane: Lane) -> str:
    """Return the version that a rollback goes back to, from what is served; empty where there is none."""
    active = lane.active
    if lane.kept and active and lane.kept.version != active.version:
        return lane.kept.version
    return (active.before if active else None) or ""


def is_kept(
    found: tuple[Replica, ...], version: str, service: Service, table: AddressTable
) -> bool:
    """Whether a rollback can start the previous containers again instead of making new ones.

    Those that an earlier stackctl made have no addresses of their own.
    """
    return (
        len(found) == service.replicas
        and all(replica.version == version for replica in found)
        and all(_is_at_home(replica, service, table) for replica in found)
    )


def _is_at_home(replica: Replica, service: Service, table: AddressTable) -> bool:
    home = table.address(replica.service, replica.color, replica.number)
    labelled = replica.container.labels.get(naming.ADDRESS)
    return home == labelled and (home is None) == service.is_worker


def serves(stack: Stack, gateway: Container, served: Config) -> bool:
    """Whether NGINX serves what stack.yaml says, with the addresses that are given out."""
    fitted = fit_gateway(stack, gateway)
    front = find_front(gateway)
    wanted = render(fitted, served.table, served.certificates, served.supplies, front)
    return wanted.id == served.id


def runs(
    snapshot: Snapshot,
    service: str,
    version: str,
    specs: tuple[ContainerSpec, ...],
    unreached: Collection[str],
) -> bool:
    """Whether users get the version, and from just these specs, which are of the other color.

    A replica that runs where the gateway does not reach it is as good as none.
    """
    if snapshot.version(service) != version:
        return False
    running = [r for r in snapshot.active(service) if snapshot.reaches(r)]
    running = [r for r in running if r.container.name not in unreached]
    return [replica.number for replica in running] == [*range(1, len(specs) + 1)] and all(
        is_made_from(replica.container, spec) for replica, spec in zip(running, specs, strict=True)
    )


def is_resting(snapshot: Snapshot, service: str) -> bool:
    """Whether users should get a service, and each of its containers was stopped."""
    found = snapshot.active(service)
    settled = snapshot.lane(service).step == "settled"
    return settled and bool(found) and all(one.container.state == "exited" for one in found)


def rouse(snapshot: Snapshot, service: str) -> Snapshot:
    """Return the snapshot as it would be, were the containers of a service started again."""
    resting, network = snapshot.active(service), snapshot.network

    def start(replica: Replica) -> Replica:
        address = replica.container.labels.get(naming.ADDRESS, "")
        addresses = {network.name: address} if network else {}
        container = replace(replica.container, state="running", addresses=addresses)
        return replace(replica, container=container)

    replicas = (start(one) if one in resting else one for one in snapshot.replicas)
    return replace(snapshot, replicas=tuple(replicas))
