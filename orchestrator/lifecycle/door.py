"""The gateway's part of `up`: made where it is missing, moved over from an earlier layout, and given
the config and the links that it should have.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.errors import EngineError, GatewayError, NotFound
from orchestrator.events import Progress
from orchestrator.gateway.addresses import AddressTable
from orchestrator.gateway.config import Config, Earlier, parse_config
from orchestrator.gateway.container import gateway_spec
from orchestrator.gateway.files import CURRENT, FOLDER, pack_config, pack_current
from orchestrator.lifecycle.drift import warn_of_drift
from orchestrator.release.diagnosis import adopt_running
from orchestrator.release.observe import fit_config, observe, to_table
from orchestrator.release.recovery import await_gateway, recover, stamp, sweep
from orchestrator.release.specs import is_made_from
from orchestrator.signals import put_off
from orchestrator.stack import naming

if TYPE_CHECKING:
    from orchestrator.engine.ports import Lease
    from orchestrator.engine.values import Container, ContainerSpec
    from orchestrator.release.house import House
    from orchestrator.release.observe import Snapshot
    from orchestrator.release.replica import Replica


def bring_up_gateway(
    house: House, lease: Lease, snapshot: Snapshot, warnings: list[str], *, allow_downtime: bool
) -> str:
    """Bring up the gateway; return what that took: started, unchanged, reconfigured and the like."""
    spec, found = gateway_spec(house.stack), snapshot.gateway
    outdated = found is not None and not is_made_from(found, spec)
    unborn = found is not None and found.state == "created"  # its maker died before it was whole
    if found is None or unborn or (outdated and allow_downtime):
        with put_off():  # users would be left without a door
            if found is not None:
                house.engine.stop(found.id, spec.stop_grace)
                house.engine.remove(found.id)
            _boot(house, spec)
        recover(house, lease)
        return "recreated" if found else "started"
    if outdated:
        warnings.append(warn_of_drift(spec.name))
    if not found.running:
        house.engine.start(found.id)
    await_gateway(house)
    moved = _move_over(house, spec, found)
    recover(house, lease)
    sweep(house, found)  # a release that could not put its own away has said so
    if moved:
        return "moved over"
    changed = _reconfigure(house)
    return "reconfigured" if changed else "unchanged" if found.running else "started"


def _boot(house: House, spec: ContainerSpec) -> None:
    """Create the gateway with a whole config before NGINX looks for one."""
    house.emit(Progress(f"starting {spec.name}"))
    for volume in spec.volumes:
        house.engine.ensure_volume(volume.name, naming.labels(house.stack.name, "gateway"))
    container = house.engine.create(spec)
    try:
        left = _left_behind(house, container)
        snapshot = observe(house)
        config = fit_config(house.stack, snapshot, _to_table(snapshot, left))
        house.engine.write(container, FOLDER, pack_config(config))
        house.engine.write(container, FOLDER, pack_current(config.id))
        _attach(house, snapshot, config)
        house.engine.start(container)
        await_gateway(house)
        _adopt(house, left)
    except (EngineError, GatewayError):
        house.engine.remove(container, data=True)
        raise


def _left_behind(house: House, container: str) -> Config | Earlier | None:
    """Return the config that a gateway which is gone has left in its volume."""
    try:
        found = parse_config(house.engine.read(container, CURRENT))
    except NotFound:
        return None
    return found if isinstance(found, Config | Earlier) else None


def _to_table(snapshot: Snapshot, left: Config | Earlier | None) -> AddressTable:
    """Return the addresses that are given out: by the volume, or else by the containers' labels."""
    return left.table if isinstance(left, Config) else to_table(snapshot.replicas)


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


def _move_over(house: House, spec: ContainerSpec, container: Container) -> bool:
    """Move a stack that an earlier stackctl brought up to the layout of this one.

    Nobody notices: replicas get a second address, in the new network, before NGINX knows of it, and
    keep the first one. Each service leaves the old network with its next release.
    """
    snapshot = observe(house)
    if not isinstance(snapshot.strange, Earlier):
        return False
    house.emit(Progress("moving the stack over from an earlier stackctl"))
    if spec.network is not None and spec.network not in container.addresses:
        house.engine.connect(container.id, spec.network, aliases=spec.aliases)
    config = fit_config(house.stack, snapshot, AddressTable())
    _attach(house, snapshot, config)
    with house.open_gateway(container) as gateway:
        gateway.stage(config)
        for service, lane in snapshot.strange.lanes.items():
            gateway.move(service, f"{stamp(house)}.boot", replace(lane, config=config.id))
        gateway.take_up(config, snapshot.strange.folder)
        # Workers of before lead users by the old config, and count nobody.
        gateway.await_departures(house.stack.gateway.departure)
    return True


def _attach(house: House, snapshot: Snapshot, config: Config) -> None:
    """See to it that every running replica is at the address that the config has for it."""
    network = naming.network_name(house.stack.name)
    for replica in snapshot.replicas:
        address = config.table.address(replica.service, replica.color, replica.number)
        if address and replica.container.running:
            _attach_one(house, replica, network, address)


def _attach_one(house: House, replica: Replica, network: str, address: str) -> None:
    now = replica.container.addresses.get(network)
    if now == address:
        return
    if now is not None:
        house.engine.disconnect(replica.container.id, network)
    house.engine.connect(replica.container.id, network, address=address)


def _reconfigure(house: House) -> bool:
    """Bring changed settings of stack.yaml into the config that serves, if there are any."""
    snapshot = observe(house)
    if snapshot.gateway is None or snapshot.config is None:
        return False
    config = fit_config(house.stack, snapshot, snapshot.table)
    _attach(house, snapshot, config)
    if config.id == snapshot.config.id:
        return False
    with house.open_gateway(snapshot.gateway) as gateway:
        departure = house.stack.gateway.departure
        gateway.change_config(config, snapshot.config, departure, snapshot.lanes)
        gateway.sweep({config.id})
    return True
