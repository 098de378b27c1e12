"""From stack.yaml to the containers that should run: pure."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.engine.outfit import Memory, Ulimit
from orchestrator.engine.values import ContainerSpec, HealthCommand, Volume
from orchestrator.stack import naming
from orchestrator.stack.part import ROOT, parse_tmpfs

if TYPE_CHECKING:
    from orchestrator.engine.values import Container
    from orchestrator.gateway.addresses import Upstream
    from orchestrator.gateway.lane import Target
    from orchestrator.release.provision import Provision
    from orchestrator.stack.health import Health
    from orchestrator.stack.model import AccessoryHealth, Stack
    from orchestrator.stack.part import Part

ROOT_NUMBER = "0"  # whatever the image calls its user 0


def replica_specs(
    stack: Stack,
    service: str,
    target: Target,
    image: str,
    given: Provision,
    upstream: Upstream | None,  # None: the engine chooses the address of a worker
) -> tuple[ContainerSpec, ...]:
    """Return one color's containers; `image` is an id, so the spec changes with its content."""
    wanted = stack.services[service]
    template = replace(
        _to_template(stack, wanted, given),
        image=image,
        read_only=wanted.read_only,
        capabilities=wanted.user == ROOT,
        health=_to_command(wanted.health) if wanted.health.command else None,
        init=wanted.init,
        persistent=False,  # a candidate that crashes must stay down, to be seen and to be removed
    )
    spec = template.fingerprint
    addresses = upstream.addresses if upstream else (None,) * target.replicas
    return tuple(
        replace(
            template,
            name=naming.replica_name(stack.name, service, target.color, number),
            address=address,
            labels=_label_replica(stack, service, target, number, upstream) | {naming.SPEC: spec},
        )
        for number, address in enumerate(addresses, start=1)
    )


def _label_replica(
    stack: Stack, service: str, target: Target, number: int, upstream: Upstream | None
) -> dict[str, str]:
    place = (
        {"address": upstream.addresses[number - 1], "port": str(upstream.port)} if upstream else {}
    )
    return naming.labels(
        stack.name,
        "service",
        service=service,
        color=target.color,
        version=target.version,
        release=target.release,
        replica=str(number),
        **place,
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
        health=None,
        name=naming.migration_name(stack.name, service),
        entrypoint=wanted.command,  # as it is written, and no arguments to the image's own
        command=(),
        labels=labels,
    )


def run_spec(
    stack: Stack, service: str, replica: ContainerSpec, command: tuple[str, ...], run: str
) -> ContainerSpec:
    """Return the container of a single command: as a version's replicas, which nobody sends requests."""
    alone = (naming.REPLICA, naming.ADDRESS, naming.PORT, naming.SPEC)
    labels = {key: said for key, said in replica.labels.items() if key not in alone}
    labels |= {naming.ROLE: "run", naming.RELEASE: run}
    return replace(
        replica,
        address=None,
        health=None,
        name=naming.run_name(stack.name, service, run),
        entrypoint=command,
        command=(),
        labels=labels,
        takes_input=True,
    )


def accessory_spec(stack: Stack, name: str, given: Provision) -> ContainerSpec:
    """Return an accessory's container. It keeps the capabilities to change owner and user: the
    official database images start as root to hand their volume over to a user of their own.
    """
    wanted = stack.accessories[name]
    template = replace(
        _to_template(stack, wanted, given),
        name=naming.part_name(stack.name, name),
        image=wanted.image,
        aliases=(name,),
        ports=tuple((one.port, one.address) for one in wanted.publish),
        capabilities=True,
        init=wanted.init,
        health=_to_command(wanted.health) if wanted.health else None,
    )
    labels = naming.labels(stack.name, "accessory", service=name, spec=template.fingerprint)
    return replace(template, labels=labels)


def _to_command(health: Health | AccessoryHealth) -> HealthCommand:
    return HealthCommand(health.command, health.interval, health.timeout)


def is_made_from(container: Container, spec: ContainerSpec) -> bool:
    """Whether a container was made from just these settings, and listens where they say."""
    return all(
        container.labels.get(key) == spec.labels.get(key) for key in (naming.SPEC, naming.PORT)
    )


def to_volume(stack: Stack, mount: str) -> Volume:
    """Turn `name:/path[:ro|:shared]` into a volume of this stack, or into the one that `volumes` says it is."""
    name, path, *mode = mount.split(":")
    sealed = mode == ["ro"]
    own = stack.volumes.get(name)
    if own is not None:
        return Volume(own.external, path, read_only=sealed, external=True)
    return Volume(naming.part_name(stack.name, name), path, read_only=sealed)


def _name_services(stack: Stack) -> tuple[tuple[str, str], ...]:
    """Return the names by which a container finds services: they lead to the gateway, which knows who is
    active.
    """
    gateway = naming.part_name(stack.name, "gateway")
    return tuple((gateway, name) for name, one in stack.services.items() if not one.is_worker)


def _to_template(stack: Stack, part: Part, given: Provision) -> ContainerSpec:
    """Return what stack.yaml says of a service's and of an accessory's container in the same words."""
    return ContainerSpec(
        name="",
        image="",
        labels={},
        network=naming.network_name(stack.name),
        links=_name_services(stack),
        entrypoint=part.entrypoint,
        command=part.command,
        environment={**part.env, **given.environment},
        volumes=tuple(to_volume(stack, mount) for mount in part.volumes),
        user=ROOT_NUMBER if part.user == ROOT else part.user,
        memory=part.resources.memory,
        cpus=part.resources.cpus,
        pids=part.resources.pids,
        stop_grace=part.stop_grace,
        stop_signal=part.stop_signal and part.stop_signal.removeprefix("SIG"),
        networks=part.networks,
        files=given.files,
        memory_folders=tuple(Memory(*parse_tmpfs(entry)) for entry in part.tmpfs),
        shared_memory=part.shm_size,
        ulimits=tuple(
            Ulimit(name, one.soft, one.hard) for name, one in sorted(part.ulimits.items())
        ),
        hosts=tuple(sorted(part.extra_hosts.items())),
    )
