"""The container of the door that stacks on one machine share: brought up, read, and given other parts."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.clock import poll
from orchestrator.errors import Conflict, EngineError, GatewayError, NotFound
from orchestrator.events import Progress
from orchestrator.gateway.admin import PUBLIC_PORT, TLS_PORT, Admin
from orchestrator.gateway.apply import Gateway
from orchestrator.gateway.container import door_spec
from orchestrator.gateway.files import CURRENT, FOLDER, config_link, pack_config, pack_current
from orchestrator.gateway.shared import Parts, Shared, find_own, parse_door, render_door
from orchestrator.signals import put_off
from orchestrator.stack import naming

if TYPE_CHECKING:
    from orchestrator.engine.ports import Engine
    from orchestrator.engine.values import Container, ContainerSpec, Network
    from orchestrator.release.house import House

BOOT_PATIENCE, ASK_EVERY = 10.0, 0.05  # seconds until NGINX must answer, and between two questions


def open_shared(house: House) -> House:
    """Return the house of the door: it has the name of no stack, and the engine of this one."""
    stack = house.stack.model_copy(update={"name": naming.SHARED})
    return replace(house, stack=stack)


def ensure_networks(shared: House) -> Network:
    """Return the network that the door has with gateways; it has another one for its own ports."""
    labels = naming.labels(naming.SHARED, "gateway")
    shared.engine.ensure_network(naming.edge_name(naming.SHARED), labels)
    name = naming.network_name(naming.SHARED)
    return shared.engine.ensure_network(name, labels, internal=True)


def bring_up_door(house: House, shared: House, network: Network) -> Container:
    """Have the door run, in its network; return it."""
    door, spec = find_gateway(shared.engine, naming.SHARED), door_spec(house.stack)
    if door is None or not _start(shared, door):
        with put_off():
            if door is not None:
                shared.engine.remove(door.id)
            _boot(shared, replace(spec, address=find_own(network)))
    door = require_door(shared)
    _refuse_other_ports(spec, door)
    _await(shared, door)
    return door


def _start(shared: House, door: Container) -> bool:
    """Have a door run that is there; return whether it does.

    It does not where its maker died before it was whole, or where its network is another one since.
    """
    if door.state == "created":
        return False
    try:
        if not door.running:
            shared.engine.start(door.id)
    except EngineError:
        return False
    return True


def _boot(shared: House, spec: ContainerSpec) -> None:
    """Create the door with a whole config before NGINX looks for one."""
    shared.emit(Progress(f"starting {spec.name}, the door that stacks share"))
    engine = shared.engine
    for volume in spec.volumes:
        engine.ensure_volume(volume.name, naming.labels(naming.SHARED, "gateway"))
    container = engine.create(spec)
    try:
        config = render_door(_left_behind(shared, container))
        engine.write(container, FOLDER, pack_config(config))
        engine.write(container, FOLDER, pack_current(config.id))
        engine.start(container)
    except EngineError:
        engine.remove(container)
        raise


def _left_behind(shared: House, container: str) -> Parts:
    """Return what stacks had of a door that is gone, by what it has left in its volume."""
    try:
        found = parse_door(shared.engine.read(container, CURRENT))
    except NotFound:
        return {}
    return found.parts if found else {}


def require_door(shared: House) -> Container:
    """Return the door. Raises GatewayError where it does not run."""
    door = find_gateway(shared.engine, naming.SHARED)
    if door is None or not door.running:
        raise GatewayError(
            "the door that stacks share does not run", "`stackctl up` of one of them starts it"
        )
    return door


def _refuse_other_ports(spec: ContainerSpec, door: Container) -> None:
    """Raise Conflict where the door is not where this stack expects it."""
    for port, key in ((PUBLIC_PORT, "listen"), (TLS_PORT, "tls")):
        wanted, has = dict(spec.ports)[port], door.doors.get(port)
        if has is not None and has != wanted:
            raise Conflict(
                f"the door that stacks share is at {has}, and stack.yaml says {wanted}",
                f"say the same: `gateway: {{door: {{{key}: {has}}}}}`",
            )


def _await(shared: House, door: Container) -> None:
    """Return once the door's NGINX answers. Raises GatewayError where it does not."""
    admin = _open_admin(shared, door)
    answered = poll(admin.serving, clock=shared.clock, every=ASK_EVERY, within=BOOT_PATIENCE)
    if answered is None:
        raise GatewayError(
            f"the door that stacks share does not answer {BOOT_PATIENCE:g} s after its start",
            f"see why: `docker logs {door.name}`",
        )


def _open_admin(shared: House, door: Container) -> Admin:
    """Return who asks the door's NGINX: inside of its container, as it has no port on the host for that."""
    gateway = shared.stack.gateway
    inside = shared.ask_inside(shared.engine, door.id)
    return Admin(gateway.admin, gateway.listen, inside=inside)


def read_door(shared: House, door: Container) -> Shared:
    """Return what the door serves, or will when it comes back. Raises GatewayError where that cannot be read.

    Whoever died between the link's rename and the reload has left another config on its disk.
    """
    running = door.running and _open_admin(shared, door).config()
    found = parse_door(running or shared.engine.read(door.id, CURRENT))
    if found is None:
        raise GatewayError(
            "the config of the door that stacks share is of another stackctl's kind",
            "use the newest stackctl for all stacks of this machine",
        )
    return found


def find_gateway(engine: Engine, stack: str) -> Container | None:
    """Return the container with a stack's NGINX, or with the door's."""
    found = engine.containers(stack)
    return next((one for one in found if one.labels.get(naming.ROLE) == "gateway"), None)


def change_door(shared: House, door: Container, served: Shared, parts: Parts) -> None:
    """Have the door serve other parts, if any differ."""
    config = render_door(parts)
    if config.id == served.id:
        return
    with Gateway(shared.engine, door, _open_admin(shared, door), shared.clock) as gateway:
        gateway.stage(config)
        gateway.take_up(config, config_link(served.id))
        gateway.sweep({config.id})
