"""The door that stacks on one machine share: whoever comes first brings it up, the others join it, and
the last one who leaves takes it down. It has a lock of its own, which is held while it is changed.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestrator.clock import poll
from orchestrator.errors import Conflict, EngineError, GatewayError, NotFound
from orchestrator.events import Progress
from orchestrator.gateway.admin import PUBLIC_PORT, TLS_PORT, Admin
from orchestrator.gateway.apply import Gateway
from orchestrator.gateway.container import door_spec, find_front
from orchestrator.gateway.files import CURRENT, FOLDER, config_link, pack_config, pack_current
from orchestrator.gateway.shared import (
    Part,
    Parts,
    Shared,
    choose_address,
    find_claim,
    find_own,
    parse_door,
    render_door,
)
from orchestrator.release.lock import hold_lock
from orchestrator.release.observe import observe
from orchestrator.release.reach import Door, describe_door
from orchestrator.signals import put_off
from orchestrator.stack import naming
from orchestrator.stack.arrival import list_patterns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.engine.ports import Engine
    from orchestrator.engine.values import Container, ContainerSpec, Network
    from orchestrator.release.house import House

PATIENCE = 60.0  # seconds for another stack that changes the door
BOOT_PATIENCE, ASK_EVERY = 10.0, 0.05  # seconds until NGINX must answer, and between two questions
LEAD_PATIENCE = 2.0  # seconds until it must lead to a gateway that it has taken in
STOP_GRACE = 10.0  # seconds that its last clients have


@dataclass(frozen=True)
class Place:
    """Where a stack's gateway is in the network of the shared door, and the door itself."""

    network: str
    address: str
    front: str


@contextmanager
def join_door(house: House) -> Iterator[Place | None]:
    """Have the shared door run, and hold its lock; None where the stack has a door of its own.

    Raises Conflict where another stack has a host of this one, or the door is at other ports;
    LockedError, EngineError, GatewayError.
    """
    if house.stack.gateway.door is None:
        yield None
        return
    shared = _open_shared(house)
    with hold_lock(shared, f"up of `{house.stack.name}`", PATIENCE):
        network = _ensure_networks(shared)
        door = _bring_up(house, shared)
        refuse_claimed(house)
        address = choose_address(network, _read(shared, door).parts, house.stack.name)
        if address is None:
            raise Conflict(
                f"the network `{network.name}` of the shared door has no address left",
                "give some of its stacks a door of their own",
            )
        yield Place(network.name, address, find_own(network))


def settle_door(house: House, place: Place | None, before: Container | None) -> list[str]:
    """Have the door lead to the gateway as that is now; return what is to be warned of.

    `before` is the gateway as it was: one that has a door of its own since leaves the shared one. Where it
    has a `place`, the door's lock must be held.
    """
    gateway = _find_gateway(house.engine, house.stack.name)
    if place is None:
        if find_front(before) and not find_front(gateway):
            leave_door(house)
            close_door(house)
        return []
    if find_front(gateway) != place.front:
        return []  # it is yet to be made anew, which is told as drift
    _take_in(house, place)
    if poll(
        lambda: house.admin.opens() or None,
        clock=house.clock,
        every=ASK_EVERY,
        within=LEAD_PATIENCE,
    ):
        return []
    trouble = describe_door(house, observe(house), Door.APART)
    return [f"{trouble.text}: {trouble.hint}"] if trouble else []


def _take_in(house: House, place: Place) -> bool:
    """Have the door lead the stack's hosts to its gateway; return whether that was new.

    What all other stacks have stays as it is, whatever comes of it.
    """
    shared = _open_shared(house)
    door = _require_door(shared)
    served = _read(shared, door)
    wanted = Part(place.address, list_patterns(house.stack))
    parts = {**_find_others(house, door), house.stack.name: wanted}
    return _change(shared, door, served, parts)


def leave_door(house: House) -> None:
    """Have the door lead nobody to the stack any more. Other stacks' clients notice nothing."""
    shared = _open_shared(house)
    if _find_gateway(shared.engine, naming.SHARED) is None:
        return
    with hold_lock(shared, f"down of `{house.stack.name}`", PATIENCE):
        door = _find_gateway(shared.engine, naming.SHARED)
        if door is None or not door.running:
            return
        served = _read(shared, door)
        others = {name: part for name, part in served.parts.items() if name != house.stack.name}
        _change(shared, door, served, others)


def close_door(house: House) -> tuple[str, ...]:
    """Remove the door where no stack has a part of it any more; return the names of containers removed."""
    shared = _open_shared(house)
    if _find_gateway(shared.engine, naming.SHARED) is None:
        return ()
    with hold_lock(shared, f"down of `{house.stack.name}`", PATIENCE):
        door = _find_gateway(shared.engine, naming.SHARED)
        if door is None or _find_others(house, door):
            return ()
        house.engine.stop(door.id, STOP_GRACE)
        house.engine.remove(door.id)
        for name in (naming.network_name(naming.SHARED), naming.edge_name(naming.SHARED)):
            house.engine.remove_network(name)
        for volume in house.engine.volumes(naming.SHARED):
            house.engine.remove_volume(volume)
        return (door.name,)


def refuse_claimed(house: House) -> None:
    """Raise Conflict where another stack, which is there, has a host of this one at the shared door."""
    if house.stack.gateway.door is None:
        return
    door = _find_gateway(house.engine, naming.SHARED)
    claim = door and find_claim(_find_others(house, door), list_patterns(house.stack))
    if claim:
        host, other = claim
        raise Conflict(
            f"`{host}` is a host of the stack `{other}` at the door that both share",
            f"name another host, or take it from `{other}` first: `stackctl up` or `down` there",
        )


def _find_others(house: House, door: Container) -> Parts:
    """Return what other stacks, which are there, have of the door."""
    served = _read(house, door).parts
    return {
        stack: part
        for stack, part in served.items()
        if stack != house.stack.name and _find_gateway(house.engine, stack) is not None
    }


def _open_shared(house: House) -> House:
    """Return the house of the door: it has the name of no stack, and the engine of this one."""
    stack = house.stack.model_copy(update={"name": naming.SHARED})
    return replace(house, stack=stack)


def _ensure_networks(shared: House) -> Network:
    """Return the network that the door has with gateways; it has another one for its own ports."""
    labels = naming.labels(naming.SHARED, "gateway")
    shared.engine.ensure_network(naming.edge_name(naming.SHARED), labels)
    name = naming.network_name(naming.SHARED)
    return shared.engine.ensure_network(name, labels, internal=True)


def _bring_up(house: House, shared: House) -> Container:
    """Have the door run; return it."""
    door, spec = _find_gateway(shared.engine, naming.SHARED), door_spec(house.stack)
    if door is None or not _start(shared, door):
        with put_off():
            if door is not None:
                shared.engine.remove(door.id)
            _boot(shared, spec)
    door = _require_door(shared)
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
    network = engine.network(spec.network or "")
    if network is None:
        raise EngineError(f"network `{spec.network}` was removed while it was needed")
    container = engine.create(replace(spec, address=find_own(network)))
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


def _require_door(shared: House) -> Container:
    door = _find_gateway(shared.engine, naming.SHARED)
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


def _read(shared: House, door: Container) -> Shared:
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


def _find_gateway(engine: Engine, stack: str) -> Container | None:
    found = engine.containers(stack)
    return next((one for one in found if one.labels.get(naming.ROLE) == "gateway"), None)


def _change(shared: House, door: Container, served: Shared, parts: Parts) -> bool:
    """Have the door serve other parts; return whether any differ."""
    config = render_door(parts)
    if config.id == served.id:
        return False
    with Gateway(shared.engine, door, _open_admin(shared, door), shared.clock) as gateway:
        gateway.stage(config)
        gateway.take_up(config, config_link(served.id))
        gateway.sweep({config.id})
    return True
