"""What a stack needs and another one has: refused before anything is changed.

Names are joined with hyphens, and may hold hyphens. So volume `b-data` of stack `a` and volume `data`
of stack `a-b` have one name on the engine. Labels tell whose it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

from orchestrator.engine.values import Kind, Named
from orchestrator.errors import Conflict, EngineError
from orchestrator.gateway.container import gateway_spec
from orchestrator.release.observe import is_ours
from orchestrator.release.specs import to_volume
from orchestrator.stack import naming
from orchestrator.stack.model import Color

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet

    from orchestrator.gateway.addresses import Upstream
    from orchestrator.release.house import House
    from orchestrator.release.observe import Snapshot
    from orchestrator.release.replica import Replica
    from orchestrator.stack.model import Stack

Name = tuple[Kind, str]


def names_of_stack(stack: Stack) -> frozenset[Name]:
    """Return all names that a stack may need."""
    gateway = gateway_spec(stack)
    names: set[Name] = {
        ("network", naming.network_name(stack.name)),
        ("container", gateway.name),
        *(("volume", volume.name) for volume in gateway.volumes),
    }
    if stack.internal:
        names.add(("network", naming.edge_name(stack.name)))
    for name, accessory in stack.accessories.items():
        names.add(("container", naming.part_name(stack.name, name)))
        names.update(_names_of_volumes(stack, accessory.volumes))
    return frozenset(names.union(*(names_of_service(stack, name) for name in stack.services)))


def names_of_service(stack: Stack, service: str) -> frozenset[Name]:
    """Return the names that releases of a service need: of both colors, as either may be next."""
    wanted = stack.services[service]
    replicas = (
        naming.replica_name(stack.name, service, color, number)
        for color in get_args(Color)
        for number in range(1, wanted.replicas + 1)
    )
    names: set[Name] = {("container", name) for name in replicas}
    if wanted.migrate is not None:
        names.add(("container", naming.migration_name(stack.name, service)))
    return frozenset(names.union(_names_of_volumes(stack, wanted.volumes)))


def find_foreign(
    stack: str, wanted: AbstractSet[Name], found: Iterable[Named]
) -> tuple[Named, ...]:
    """Return what has a name that the stack needs, and is not the stack's.

    A volume that no stack has made is nobody's, and is taken.
    """
    return tuple(
        one for one in found if (one.kind, one.name) in wanted and not _may_use(stack, one)
    )


def refuse_foreign(house: House, wanted: AbstractSet[Name]) -> tuple[Named, ...]:
    """Return what is there of these names. Raises Conflict where one is somebody else's."""
    stack = house.stack.name
    found = house.engine.named(naming.part_name(stack, ""))
    foreign = find_foreign(stack, wanted, found)
    if foreign:
        raise Conflict(foreign[0].told, foreign[0].hint)
    return tuple(one for one in found if (one.kind, one.name) in wanted)


def warn_of_unowned(found: Iterable[Named]) -> list[str]:
    """Return a warning for each volume that is used and that no stack has made."""
    return [
        f"volume `{one.name}` was not made by stackctl: it is used, and `down --volumes` leaves it"
        for one in found
        if one.kind == "volume" and not one.owner
    ]


def _may_use(stack: str, found: Named) -> bool:
    match found.kind:
        case "volume":
            return found.owner in ("", stack)
        case "network":
            return found.owner == stack
        case "container":
            return found.owner == stack and is_ours(found)


def _names_of_volumes(stack: Stack, mounts: Iterable[str]) -> Iterator[Name]:
    volumes = (to_volume(stack, mount) for mount in mounts)
    return (("volume", volume.name) for volume in volumes if not volume.external)


def refuse_taken(snapshot: Snapshot, upstream: Upstream | None, own: tuple[Replica, ...]) -> None:
    """Raise EngineError where somebody else has an address that the candidate is to get."""
    holders = snapshot.network.holders if snapshot.network else {}
    ours = {replica.container.name for replica in own}
    for address in upstream.addresses if upstream else ():
        holder = holders.get(address)
        if holder is not None and holder not in ours:
            raise EngineError(
                f"`{holder}` has the address {address}, which belongs to a replica",
                f"start it without `--ip`, or stop it: `docker stop {holder}`",
            )
