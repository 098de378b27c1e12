"""The gateway's part of `up`: made where it is missing, moved over from an earlier layout, and given
the config and the links that it should have.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.errors import EngineError, GatewayError
from orchestrator.events import Progress
from orchestrator.gateway.addresses import AddressTable
from orchestrator.gateway.config import Config, Earlier
from orchestrator.gateway.container import find_front, gateway_spec
from orchestrator.gateway.files import FOLDER, pack_config, pack_current
from orchestrator.gateway.keyring import Keyring
from orchestrator.gateway.store import Store
from orchestrator.lifecycle.drift import tell_of_lost_address, warn_of_drift
from orchestrator.lifecycle.findings import Findings, tell_mended
from orchestrator.lifecycle.left import fit_left, only_whole, read_left
from orchestrator.lifecycle.reopening import reopen
from orchestrator.release.diagnosis import adopt_running
from orchestrator.release.gateway import require_protocols
from orchestrator.release.observe import fit_config, observe
from orchestrator.release.reach import find_missing_networks
from orchestrator.release.recovery import await_gateway, recover, stamp, sweep
from orchestrator.release.specs import is_made_from
from orchestrator.signals import put_off
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.engine.ports import Lease
    from orchestrator.engine.values import Container, ContainerSpec
    from orchestrator.lifecycle.certification import Certification
    from orchestrator.lifecycle.sharing import Place
    from orchestrator.lifecycle.supplying import Supply
    from orchestrator.release.house import House
    from orchestrator.release.observe import Snapshot


class Given(NamedTuple):
    """What a gateway is brought up with."""

    certification: Certification
    supply: Supply
    place: Place | None  # where it is behind a door that stacks share


def bring_up_gateway(
    house: House,
    lease: Lease,
    snapshot: Snapshot,
    findings: Findings,
    given: Given,
    *,
    allow_downtime: bool,
) -> str:
    """Bring up the gateway; return what that took: started, unchanged, reconfigured and the like.

    Raises GatewayError where users do not get in however it is started.
    """
    spec, found, place = gateway_spec(house.stack), snapshot.gateway, given.place
    outdated = found is not None and not _is_made_for(found, spec, place)
    if found is None or _is_lost(found, place) or (outdated and allow_downtime):
        _make(house, spec, found, given)
        recover(house, lease)
        return "recreated" if found else "started"
    if outdated:
        findings.warnings.append(warn_of_drift(spec.name))
    if not found.running:
        house.engine.start(found.id)
    _join_networks(house, spec, found, findings, place)
    await_gateway(house)
    reopened = reopen(house, spec, lease, findings, allow_downtime=allow_downtime)
    moved = _move_over(house, found, given)
    recover(house, lease)
    sweep(house, found)  # a release that could not put its own away has said so
    if moved:
        return "moved over"
    changed = reconfigure(house, findings, given.certification, given.supply)
    done = "restarted" if reopened else "reconfigured"
    return done if changed or reopened else "unchanged" if found.running else "started"


def _is_lost(container: Container, place: Place | None) -> bool:
    """Whether a container serves nobody, and cannot: its maker died, or its door's network is another."""
    if container.state == "created":
        return True
    displaced = place is not None and find_front(container) not in ("", place.front)
    return displaced and not container.running


def _make(
    house: House,
    spec: ContainerSpec,
    found: Container | None,
    given: Given,
) -> None:
    """Make the container, in the place of the one that is `found`."""
    with put_off():  # users would be left without a door
        if found is not None:
            house.engine.stop(found.id, spec.stop_grace)
            house.engine.remove(found.id)
        _boot(house, spec, given)


def _is_made_for(container: Container, spec: ContainerSpec, place: Place | None) -> bool:
    behind = place is None or find_front(container) == place.front
    return behind and is_made_from(container, spec)


def _join_networks(
    house: House,
    spec: ContainerSpec,
    container: Container,
    findings: Findings,
    place: Place | None,
) -> None:
    """Take the gateway into the networks that it is not in, whoever took it out."""
    for network in find_missing_networks(house, container):
        aliases = spec.aliases if network == spec.network else ()
        address = place.address if place and network == place.network else None
        house.engine.connect(container.id, network, address=address, aliases=aliases)
        tell_mended(house, findings, f"the gateway was not in the network `{network}`: it is now")


def _boot(house: House, spec: ContainerSpec, given: Given) -> None:
    """Create the gateway with a whole config before NGINX looks for one."""
    certification, supply, place = given
    house.emit(Progress(f"starting {spec.name}"))
    for volume in spec.volumes:
        house.engine.ensure_volume(volume.name, naming.labels(house.stack.name, "gateway"))
    if place is not None:
        spec = replace(spec, labels={**spec.labels, naming.DOOR: place.front})
    container = house.engine.create(spec)
    try:
        if place is not None:
            house.engine.connect(container, place.network, address=place.address)
        left = read_left(house, container)
        snapshot = observe(house)
        table = fit_left(snapshot, left)
        if isinstance(left, Config):
            certification = certification.keep(only_whole(house, container, left.certificates))
        served = certification.table, supply.supplies
        config = fit_config(house.stack, snapshot, table, None, *served)
        Keyring(house.engine, container).add(certification.pairs)
        Store(house.engine, container).add(supply.files)
        house.engine.write(container, FOLDER, pack_config(config))
        house.engine.write(container, FOLDER, pack_current(config.id))
        tuple(_attach(house, snapshot, config))
        house.engine.start(container)
        await_gateway(house)
        _adopt(house, left)
    except (EngineError, GatewayError):
        house.engine.remove(container, data=True)
        raise


def _adopt(house: House, left: Config | Earlier | None) -> None:
    """Give each service without a link the one that it had, or that its containers tell of.

    A link to a color of which nothing is left, as after a `down`, is taken away.
    """
    snapshot = observe(house)
    if snapshot.gateway is None:
        return
    with house.open_gateway(snapshot.gateway) as gateway:
        for service, lane in snapshot.lanes.items():
            if lane.active and not snapshot.of(service, lane.active.color):
                gateway.drop(service)
        for service in house.stack.services.keys() - snapshot.lanes.keys():
            known = left.lanes.get(service) if isinstance(left, Earlier) else None
            found = known or adopt_running(service, snapshot)
            if found is not None:
                gateway.move(service, f"{stamp(house)}.boot", found)


def _move_over(house: House, container: Container, given: Given) -> bool:
    """Move a stack that an earlier stackctl brought up to the layout of this one.

    Nobody notices: replicas get a second address, in the new network, before NGINX knows of it, and
    keep the first one. Each service leaves the old network with its next release.
    """
    certification, supply, _ = given
    snapshot = observe(house)
    if not isinstance(snapshot.strange, Earlier):
        return False
    house.emit(Progress("moving the stack over from an earlier stackctl"))
    served = certification.table, supply.supplies
    config = fit_config(house.stack, snapshot, AddressTable(), None, *served)
    tuple(_attach(house, snapshot, config))
    Keyring(house.engine, container.id).add_missing(certification.pairs)
    Store(house.engine, container.id).add_missing(supply.files)
    with house.open_gateway(container) as gateway:
        gateway.stage(config)
        for service, lane in snapshot.strange.lanes.items():
            gateway.move(service, f"{stamp(house)}.boot", replace(lane, config=config.id))
        gateway.take_up(config, snapshot.strange.folder)
        # Workers of before lead users by the old config, and count nobody.
        gateway.await_departures(house.stack.gateway.departure)
    return True


def _attach(house: House, snapshot: Snapshot, config: Config) -> Iterator[str]:
    """See to it that every running replica is at the address that the config has for it.

    Yields what was wrong. One whose address somebody else has stays as it is: its service is then
    released again, at other addresses.
    """
    network = naming.network_name(house.stack.name)
    holders = snapshot.network.holders if snapshot.network else {}
    for replica in snapshot.replicas:
        container = replica.container
        address = config.table.address(replica.service, replica.color, replica.number)
        has = container.addresses.get(network)
        if not address or not container.running or has == address or address in holders:
            continue
        if has is not None:
            house.engine.disconnect(container.id, network)
        house.engine.connect(container.id, network, address=address)
        text = tell_of_lost_address(container.name, network, has, address)
        yield f"{text}: it is connected again at {address}"


def reconfigure(
    house: House, findings: Findings, certification: Certification, supply: Supply | None = None
) -> bool:
    """Bring changed settings and certificates into the config that serves, if there are any.

    Without `supply`, the lists of users and the pages that are served stay.
    """
    snapshot = observe(house)
    if snapshot.gateway is None or snapshot.config is None:
        return False
    require_protocols(house.stack, snapshot)
    served = certification.table, supply.supplies if supply else None
    config = fit_config(house.stack, snapshot, snapshot.table, None, *served)
    for text in _attach(house, snapshot, config):
        tell_mended(house, findings, text)
    keyring = Keyring(house.engine, snapshot.gateway.id)
    keyring.add_missing(certification.pairs)
    store = Store(house.engine, snapshot.gateway.id)
    store.add_missing(supply.files if supply else {})
    if config.id == snapshot.config.id:
        return False
    with house.open_gateway(snapshot.gateway) as gateway:
        departure = house.stack.gateway.departure
        gateway.change_config(config, snapshot.config, departure, snapshot.lanes)
        gateway.sweep({config.id})
    if snapshot.certificates:
        keyring.keep_only([one.id for one in config.certificates.certificates])
    if snapshot.supplies.ids:
        store.sweep()
    return True
