"""The container that NGINX runs in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.engine.values import ContainerSpec, Volume
from orchestrator.gateway.admin import ADMIN_PORT, PUBLIC_PORT, TLS_PORT
from orchestrator.gateway.admission import ENTRYPOINT
from orchestrator.gateway.config import LAYOUT
from orchestrator.gateway.files import CURRENT, FOLDER, SCRATCH
from orchestrator.stack import naming
from orchestrator.stack.door import SharedDoor
from orchestrator.stack.gateway import GatewayResources, parse_resources
from orchestrator.stack.quantities import parse_address

if TYPE_CHECKING:
    from orchestrator.engine.values import Container
    from orchestrator.stack.model import Stack
    from orchestrator.stack.tls import Tls

# Of the door that stacks share. Each of its clients has two connections there for as long as it stays.
DOOR_RESOURCES = GatewayResources(memory=1024**3)
NGINX_USER = "101:101"  # of the official image
OLDEST_NGINX = (1, 29, 8)  # the first with all that the config says, such as `max_headers`


def gateway_spec(stack: Stack) -> ContainerSpec:
    """Return the gateway's container."""
    wanted, tls = stack.gateway, stack.gateway.tls
    template = ContainerSpec(
        name=naming.part_name(stack.name, "gateway"),
        image=wanted.image,
        labels={},
        network=naming.network_name(stack.name),
        aliases=("gateway",),
        edge=naming.edge_name(stack.name) if stack.internal else None,
        entrypoint=ENTRYPOINT,
        command=("-c", CURRENT),
        volumes=(
            Volume(naming.part_name(stack.name, "gateway"), FOLDER),
            Volume(naming.part_name(stack.name, "gateway-scratch"), SCRATCH),
        ),
        ports=(
            *([] if wanted.door else [(PUBLIC_PORT, wanted.listen)]),
            (ADMIN_PORT, wanted.admin),
            *([(TLS_PORT, tls.listen)] if tls and not wanted.door else ()),
        ),
        user=NGINX_USER,
        read_only=True,
        memory=wanted.resources.memory,
        cpus=wanted.resources.cpus,
        pids=wanted.resources.pids,
        stop_grace=wanted.drain_timeout,
        stop_signal="QUIT",  # a HUP with every reload is none
    )
    labels = naming.labels(
        stack.name,
        "gateway",
        spec=template.fingerprint,
        layout=str(LAYOUT),
        resources=wanted.resources.model_dump_json(),
        **({"tls": str(tls.listen)} if tls else {}),
    )
    return replace(template, labels=labels)


def door_spec(stack: Stack) -> ContainerSpec:
    """Return the container of the door that a stack shares. Its stack must have such a door."""
    door = stack.gateway.door or SharedDoor()
    name = naming.part_name(naming.SHARED, "gateway")
    template = ContainerSpec(
        name=name,
        image=stack.gateway.image,
        labels={},
        network=naming.network_name(naming.SHARED),
        edge=naming.edge_name(naming.SHARED),
        entrypoint=ENTRYPOINT,
        command=("-c", CURRENT),
        volumes=(
            Volume(name, FOLDER),
            Volume(naming.part_name(naming.SHARED, "gateway-scratch"), SCRATCH),
        ),
        ports=((PUBLIC_PORT, door.listen), (TLS_PORT, door.tls)),
        user=NGINX_USER,
        read_only=True,
        memory=DOOR_RESOURCES.memory,
        cpus=DOOR_RESOURCES.cpus,
        pids=DOOR_RESOURCES.pids,
        stop_signal="QUIT",
    )
    labels = naming.labels(naming.SHARED, "gateway", spec=template.fingerprint, layout=str(LAYOUT))
    return replace(template, labels=labels)


def find_front(container: Container | None) -> str:
    """Return where the shared door is, in its network, for a gateway behind it; empty for others.

    A gateway keeps to what it was made for, whatever stack.yaml says since.
    """
    return container.labels.get(naming.DOOR, "") if container else ""


def fit_gateway(stack: Stack, container: Container | None) -> Stack:
    """Return the stack with the resources, and the door for TLS, that the gateway's container has.

    Other ones in stack.yaml count once it is made anew: until then NGINX must not take on more than
    fits, and nobody be sent where no door is. A container of an earlier stackctl does not tell its
    resources.
    """
    if container is None:
        return stack
    tls = stack.gateway.tls
    if not find_front(container):  # a shared door has a port for TLS in any case
        tls = _fit_tls(stack, container.labels.get(naming.TLS, ""))
    changed: dict[str, object] = {"tls": tls}
    resources = parse_resources(container.labels.get(naming.RESOURCES, ""))
    if resources is not None:
        changed["resources"] = resources
    gateway = stack.gateway.model_copy(update=changed)
    return stack.model_copy(update={"gateway": gateway})


def _fit_tls(stack: Stack, published: str) -> Tls | None:
    wanted = stack.gateway.tls
    try:
        listen = parse_address(published)
    except ValueError:  # it publishes none
        return None
    return wanted and wanted.model_copy(update={"listen": listen})
