"""What stack.yaml asks of a machine and its engine. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.stack import naming
from orchestrator.stack.withheld import list_secrets

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.stack.model import Stack
    from orchestrator.stack.quantities import Address


class Door(NamedTuple):
    """What has an address on the host: a check's name, the container, and the key in stack.yaml."""

    check: str
    part: str
    key: str
    owner: str = ""  # whose container it is, where that is not the stack's


LISTEN = Door("listen", "gateway", "gateway.listen")
TLS = Door("tls", "gateway", "gateway.tls.listen")
ADMIN = Door("admin", "gateway", "gateway.admin")
SHARED_LISTEN = Door("listen", "gateway", "gateway.door.listen", naming.SHARED)
SHARED_TLS = Door("tls", "gateway", "gateway.door.tls", naming.SHARED)


@dataclass(frozen=True)
class Demand:
    """What a stack needs."""

    gateway: str  # the image of NGINX
    images: Mapping[str, str]  # references that come from a registry, and the part that wants each
    doors: Mapping[Door, Address]  # what is published on the host, and the addresses for it
    memory: int  # bytes that all containers may take while nothing is released
    peak: int  # bytes while the service with the largest replicas is
    cpus: Mapping[str, float]  # the most of one container, by part
    variables: frozenset[str]  # that `secrets` name
    builds: bool  # whether any image is built here
    needs_buildkit: bool  # for `secrets` and `ssh` of a build


def find_demand(stack: Stack) -> Demand:
    """Return what a stack needs."""
    images = {stack.gateway.image: "gateway"}
    images |= {one.image: f"accessories.{name}" for name, one in stack.accessories.items()}
    images |= {
        one.image.replace("{version}", one.version): f"services.{name}"
        for name, one in stack.services.items()
        if one.image is not None
    }
    colors = [
        (one.replicas * one.resources.memory, one.keep == "running")
        for one in stack.services.values()
    ]
    memory = sum(size * (2 if twice else 1) for size, twice in colors)
    memory += sum(one.resources.memory for one in stack.accessories.values())
    memory += stack.gateway.resources.memory
    parts = {f"services.{name}": one.resources for name, one in stack.services.items()}
    parts |= {f"accessories.{name}": one.resources for name, one in stack.accessories.items()}
    parts["gateway"] = stack.gateway.resources
    builds = [one.build for one in stack.services.values() if one.build is not None]
    return Demand(
        gateway=stack.gateway.image,
        images=images,
        doors=dict(_list_doors(stack)),
        memory=memory,
        peak=memory + max((size for size, twice in colors if not twice), default=0),
        cpus={part: resources.cpus for part, resources in parts.items()},
        variables=_list_variables(stack),
        builds=bool(builds),
        needs_buildkit=any(build.secrets or build.ssh for build in builds),
    )


def _list_doors(stack: Stack) -> Iterator[tuple[Door, Address]]:
    shared, tls = stack.gateway.door, stack.gateway.tls
    yield SHARED_LISTEN if shared else LISTEN, stack.gateway.listen
    yield ADMIN, stack.gateway.admin
    if shared is not None:
        yield SHARED_TLS, shared.tls
    elif tls is not None:
        yield TLS, tls.listen
    for name, accessory in stack.accessories.items():
        for position, published in enumerate(accessory.publish):
            key = f"accessories.{name}.publish.{position}"
            yield Door("publish", name, key), published.address


def _list_variables(stack: Stack) -> frozenset[str]:
    """Return the variables that must be set. What a program may give is not asked for here."""
    if stack.secrets_command is not None:
        return frozenset()
    return frozenset(one.variable for one in list_secrets(stack) if not one.optional)
