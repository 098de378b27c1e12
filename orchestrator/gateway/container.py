"""The container that NGINX runs in."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.engine.values import ContainerSpec, Volume
from orchestrator.gateway.admin import ADMIN_PORT, PUBLIC_PORT
from orchestrator.gateway.admission import ENTRYPOINT
from orchestrator.gateway.config import LAYOUT
from orchestrator.gateway.files import CURRENT, FOLDER, SCRATCH
from orchestrator.stack import naming
from orchestrator.stack.model import parse_resources

if TYPE_CHECKING:
    from orchestrator.engine.values import Container
    from orchestrator.stack.model import Stack

NGINX_USER = "101:101"  # of the official image
OLDEST_NGINX = (1, 29, 8)  # the first with all that the config says, such as `max_headers`


def gateway_spec(stack: Stack) -> ContainerSpec:
    """Return the gateway's container."""
    wanted = stack.gateway
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
        ports=((PUBLIC_PORT, wanted.listen), (ADMIN_PORT, wanted.admin)),
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
    )
    return replace(template, labels=labels)


def fit_resources(stack: Stack, container: Container | None) -> Stack:
    """Return the stack with the resources that the gateway's container has.

    Other ones in stack.yaml count once it is made anew: until then NGINX must not take on more than
    fits. A container of an earlier stackctl does not tell them.
    """
    resources = parse_resources(container.labels.get(naming.RESOURCES, "") if container else "")
    if resources is None:
        return stack
    gateway = stack.gateway.model_copy(update={"resources": resources})
    return stack.model_copy(update={"gateway": gateway})
