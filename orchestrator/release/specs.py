"""From stack.yaml to the containers that should run: pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.engine.values import ContainerSpec, HealthCommand, Volume
from orchestrator.errors import ConfigurationError
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.engine.values import Container
    from orchestrator.gateway.addresses import Upstream
    from orchestrator.gateway.lane import Target
    from orchestrator.stack.model import Stack


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
        entrypoint=wanted.entrypoint,
        command=wanted.command,
        environment={**wanted.env, **secrets},
        volumes=tuple(to_volume(stack, mount) for mount in wanted.volumes),
        user=wanted.user,
        read_only=wanted.read_only,
        memory=wanted.resources.memory,
        cpus=wanted.resources.cpus,
        pids=wanted.resources.pids,
        stop_grace=wanted.stop_grace,
        init=wanted.init,
        persistent=False,  # a candidate that crashes must stay down, to be seen and to be removed
    )
    spec = template.fingerprint
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
        name=naming.migration_name(stack.name, service),
        entrypoint=wanted.command,  # as it is written, and no arguments to the image's own
        command=(),
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
        entrypoint=wanted.entrypoint,
        command=wanted.command,
        environment={**wanted.env, **secrets},
        volumes=tuple(to_volume(stack, mount) for mount in wanted.volumes),
        capabilities=True,
        memory=wanted.resources.memory,
        cpus=wanted.resources.cpus,
        pids=wanted.resources.pids,
        stop_grace=wanted.stop_grace,
        init=wanted.init,
        health=(
            HealthCommand(wanted.health.command, wanted.health.interval, wanted.health.timeout)
            if wanted.health
            else None
        ),
    )
    labels = naming.labels(stack.name, "accessory", service=name, spec=template.fingerprint)
    return replace(template, labels=labels)


def is_made_from(container: Container, spec: ContainerSpec) -> bool:
    """Whether a container was made from just these settings, and listens where they say."""
    return all(
        container.labels.get(key) == spec.labels.get(key) for key in (naming.SPEC, naming.PORT)
    )


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
