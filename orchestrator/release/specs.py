"""From stack.yaml to the containers that should run: pure."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from orchestrator.engine.base import ContainerSpec, HealthCommand, Volume
from orchestrator.errors import ConfigurationError
from orchestrator.gateway.admission import ENTRYPOINT
from orchestrator.gateway.config import LAYOUT
from orchestrator.gateway.files import CURRENT, FOLDER, SCRATCH
from orchestrator.gateway.render import ADMIN_PORT, PUBLIC_PORT
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.gateway.addresses import Upstream
    from orchestrator.gateway.lane import Target
    from orchestrator.stack.model import Stack

NGINX_USER = "101:101"  # of the official image


def replica_specs(
    stack: Stack,
    service: str,
    target: Target,
    image: str,
    secrets: Mapping[str, str],
    upstream: Upstream,
) -> tuple[ContainerSpec, ...]:
    """Return one color's containers; `image` is an id, so the spec changes with its content."""
    wanted = stack.services[service]
    template = ContainerSpec(
        name="",
        image=image,
        labels={},
        network=naming.network_name(stack.name),
        environment={**wanted.env, **secrets},
        volumes=tuple(to_volume(stack, mount) for mount in wanted.volumes),
        user=wanted.user,
        read_only=wanted.read_only,
        memory=wanted.resources.memory,
        cpus=wanted.resources.cpus,
        pids=wanted.resources.pids,
        stop_grace=wanted.stop_grace,
        persistent=False,  # a candidate that crashes must stay down, to be seen and to be removed
    )
    spec = fingerprint(template)
    return tuple(
        replace(
            template,
            name=naming.replica_name(stack.name, service, target.color, number),
            address=address,
            labels=_label_replica(stack, service, target, number, upstream) | {naming.SPEC: spec},
        )
        for number, address in enumerate(upstream.addresses, start=1)
    )


def _label_replica(
    stack: Stack, service: str, target: Target, number: int, upstream: Upstream
) -> dict[str, str]:
    return naming.labels(
        stack.name,
        "service",
        service=service,
        color=target.color,
        version=target.version,
        release=target.release,
        replica=str(number),
        address=upstream.addresses[number - 1],
        port=str(upstream.port),
    )


def migration_spec(stack: Stack, service: str, replica: ContainerSpec) -> ContainerSpec | None:
    """Return the container of a version's migration: as its replicas, with another command."""
    wanted = stack.services[service].migrate
    if wanted is None:
        return None
    alone = (naming.REPLICA, naming.ADDRESS)
    labels = {key: said for key, said in replica.labels.items() if key not in alone}
    labels[naming.ROLE] = "migration"
    return replace(
        replica,
        address=None,
        name=naming.part_name(stack.name, f"{service}-migration"),
        command=wanted.command,
        entrypoint=(),
        labels=labels,
    )


def accessory_spec(stack: Stack, name: str, secrets: Mapping[str, str]) -> ContainerSpec:
    """Return an accessory's container. It keeps the capabilities to change owner and user: the
    official database images start as root to hand their volume over to a user of their own.
    """
    wanted = stack.accessories[name]
    template = ContainerSpec(
        name=naming.part_name(stack.name, name),
        image=wanted.image,
        labels={},
        network=naming.network_name(stack.name),
        aliases=(name,),
        command=wanted.command,
        environment={**wanted.env, **secrets},
        volumes=tuple(to_volume(stack, mount) for mount in wanted.volumes),
        capabilities=True,
        memory=wanted.resources.memory,
        cpus=wanted.resources.cpus,
        pids=wanted.resources.pids,
        stop_grace=wanted.stop_grace,
        health=(
            HealthCommand(wanted.health.command, wanted.health.interval, wanted.health.timeout)
            if wanted.health
            else None
        ),
    )
    return _labelled(stack, template, "accessory", service=name)


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
    return _labelled(stack, template, "gateway", layout=str(LAYOUT))


def to_volume(stack: Stack, mount: str) -> Volume:
    """Turn `name:/path[:ro]` into a volume of this stack."""
    name, path, *mode = mount.split(":")
    return Volume(naming.part_name(stack.name, name), path, read_only=bool(mode))


def pick_secrets(
    names: tuple[str, ...], variables: Mapping[str, str], owner: str
) -> dict[str, str]:
    """Return the values of `secrets` by the names that the container knows them by.

    Raises ConfigurationError naming the variables that are not set.
    """
    sources = {name.partition(":")[0]: name.rpartition(":")[2] for name in names}
    missing = sorted({source for source in sources.values() if source not in variables})
    if missing:
        raise ConfigurationError(
            f"{owner}: secret {', '.join(f'`{name}`' for name in missing)} is not set",
            "set it in the environment or in `.env` beside stack.yaml",
        )
    return {name: variables[source] for name, source in sources.items()}


def fingerprint(spec: ContainerSpec) -> str:
    """Return a short hash of all that makes a container: another hash, another container."""
    facts = asdict(replace(spec, labels={}))
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def _labelled(stack: Stack, spec: ContainerSpec, role: naming.Role, **more: str) -> ContainerSpec:
    return replace(spec, labels=naming.labels(stack.name, role, spec=fingerprint(spec), **more))
