"""The door that stacks on one machine share: whoever comes first brings it up, the others join it, and
the last one who leaves takes it down. It has a lock of its own, which is held while it is changed.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.errors import Conflict
from orchestrator.gateway.container import find_front
from orchestrator.gateway.shared import (
    Part,
    Parts,
    choose_address,
    find_claim,
    find_own,
)
from orchestrator.lifecycle.reopening import opens
from orchestrator.lifecycle.shared_door import (
    bring_up_door,
    change_door,
    ensure_networks,
    find_gateway,
    open_shared,
    read_door,
    require_door,
)
from orchestrator.release.lock import hold_lock
from orchestrator.release.observe import observe
from orchestrator.release.reach import Door, describe_door
from orchestrator.stack import naming
from orchestrator.stack.arrival import list_patterns

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.engine.values import Container
    from orchestrator.release.house import House

PATIENCE = 60.0  # seconds for another stack that changes the door
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
    shared = open_shared(house)
    with hold_lock(shared, f"up of `{house.stack.name}`", PATIENCE):
        network = ensure_networks(shared)
        parts = read_door(shared, bring_up_door(house, shared, network)).parts
        _refuse_claims(house, parts)
        address = choose_address(network, parts, house.stack.name)
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
    gateway = find_gateway(house.engine, house.stack.name)
    if place is None:
        if find_front(before) and not find_front(gateway):
            leave_door(house)
            close_door(house)
        return []
    if find_front(gateway) != place.front:
        return []  # it is yet to be made anew, which is told as drift
    _take_in(house, place)
    if opens(house):
        return []
    trouble = describe_door(house, observe(house), Door.APART)
    return [f"{trouble.text}: {trouble.hint}"] if trouble else []


def _take_in(house: House, place: Place) -> None:
    """Have the door lead the stack's hosts to its gateway.

    What all other stacks have stays as it is, whatever comes of it.
    """
    shared = open_shared(house)
    door = require_door(shared)
    served = read_door(shared, door)
    wanted = Part(place.address, list_patterns(house.stack))
    parts = {**_find_others(house, served.parts), house.stack.name: wanted}
    change_door(shared, door, served, parts)


def leave_door(house: House) -> None:
    """Have the door lead nobody to the stack any more. Other stacks' clients notice nothing."""
    shared = open_shared(house)
    if find_gateway(shared.engine, naming.SHARED) is None:
        return
    with hold_lock(shared, f"down of `{house.stack.name}`", PATIENCE):
        door = find_gateway(shared.engine, naming.SHARED)
        if door is None or not door.running:
            return
        served = read_door(shared, door)
        others = {name: part for name, part in served.parts.items() if name != house.stack.name}
        change_door(shared, door, served, others)


def close_door(house: House) -> tuple[str, ...]:
    """Remove the door where no stack has a part of it any more; return the names of containers removed."""
    shared = open_shared(house)
    if find_gateway(shared.engine, naming.SHARED) is None:
        return ()
    with hold_lock(shared, f"down of `{house.stack.name}`", PATIENCE):
        door = find_gateway(shared.engine, naming.SHARED)
        if door is None or _find_others(house, read_door(shared, door).parts):
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
    door = find_gateway(house.engine, naming.SHARED)
    if door is not None:
        _refuse_claims(house, read_door(house, door).parts)


def _refuse_claims(house: House, parts: Parts) -> None:
    claim = find_claim(_find_others(house, parts), list_patterns(house.stack))
    if claim is not None:
        host, other = claim
        raise Conflict(
            f"`{host}` is a host of the stack `{other}` at the door that both share",
            f"name another host, or take it from `{other}` first: `stackctl up` or `down` there",
        )


def _find_others(house: House, parts: Parts) -> Parts:
    """Return the parts of other stacks, which are there."""
    return {
        stack: part
        for stack, part in parts.items()
        if stack != house.stack.name and find_gateway(house.engine, stack) is not None
    }
