"""`down` and `prune`: what is taken away, and what is never touched."""

from __future__ import annotations

from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.errors import Conflict, EngineError, NotFound
from orchestrator.events import Waiting, Warned
from orchestrator.gateway.container import find_front
from orchestrator.jobs.conclusion import record_left
from orchestrator.lifecycle.assets import thin_assets
from orchestrator.lifecycle.sharing import close_door, leave_door
from orchestrator.release.candidate import in_parallel
from orchestrator.release.lock import hold_lock, require_held
from orchestrator.release.observe import Snapshot, is_ours, observe
from orchestrator.release.recovery import close_evidence, recover
from orchestrator.release.unnamed import tell_of_left
from orchestrator.stack import naming
from orchestrator.stack.unit import find_builder, name_published

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.engine.values import Container, Image
    from orchestrator.release.house import House
    from orchestrator.stack.model import Stack


@dataclass(frozen=True)
class Removed:
    """What was taken away, by name."""

    containers: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    configs: tuple[str, ...] = ()
    assets: tuple[str, ...] = ()  # a service and a version, or a service that has none any more


def take_down(house: House, *, volumes: bool = False, wait: float = 0.0) -> Removed:
    """Remove the stack's containers and network; its data only with `volumes`.

    Containers of others that wear the stack's label are named and left alone.
    """
    stack = house.stack
    with ExitStack() as held:
        lease = None
        with suppress(NotFound):  # where the gateway's image is not, nobody can have a lock
            lease = held.enter_context(hold_lock(house, "down", wait))
        close_evidence(house, ())
        listed = house.engine.containers(stack.name)
        for stranger in (c for c in listed if not is_ours(c)):
            house.emit(Warned(f"container `{stranger.name}` is none of ours: it is left alone"))
        found = [c for c in listed if is_ours(c) and _role(c) != "lock"]
        shares = stack.gateway.door is not None or any(find_front(one) for one in found)
        if shares:
            leave_door(house)
        # The gateway first: it lets what is in flight end while the services still answer.
        for role in ("gateway", "service", "run", "job", "migration", "accessory", "holder"):
            if lease is not None:
                require_held(lease)
            going = [c for c in found if _role(c) == role]
            if going:
                told = " and ".join(sorted(c.name for c in going))
                house.emit(Waiting(f"stopping {told}"))
            in_parallel(lambda c: _stop_and_remove(house, c, data=volumes), going)
        doors = close_door(house) if shares else ()
        _remove_networks(house)
        others = {volume.external for volume in stack.volumes.values()}
        labelled = [n for n in house.engine.volumes(stack.name) if n not in others]
        names = tuple(n for n in labelled if volumes and not naming.has_files(stack.name, n))
        files = [n for n in labelled if naming.has_files(stack.name, n)]
        in_parallel(house.engine.remove_volume, [*names, *files])
    if not volumes:
        _tell_of_left(house, found)
    removed = (*(c.name for c in found), *doors)
    return Removed(containers=tuple(sorted(removed)), volumes=names)


def prune(house: House, *, keep: int = 5, wait: float = 0.0) -> Removed:
    """Remove containers of services that stack.yaml no longer has, old images, configs and assets.

    Active and previous versions stay, and the `keep` newest images of each service.
    """
    with hold_lock(house, "prune", wait) as lease:
        recover(house, lease)
        snapshot = observe(house)
        orphans = find_orphans(house, snapshot)
        if snapshot.gateway and any(container.running for container in orphans):
            # Workers of a config that still knew them may be answering their last requests.
            gateway = house.open_gateway(snapshot.gateway)
            gateway.await_departures(house.stack.gateway.departure)
            require_held(lease)
        in_parallel(house.engine.remove, [container.id for container in orphans])
        ended = [  # by a stackctl that died; a job is recorded first
            run for run in snapshot.runs if not run.running and naming.JOB not in run.labels
        ]
        left = [*ended, *snapshot.holders]
        in_parallel(lambda run: house.engine.remove(run.id, data=True), left)
        jobs = record_left(house)
        _tell_of_left(house, orphans)
        _remove_old_files(house)
        built = [i for i in house.engine.images(house.stack.name) if _is_built(house, i)]
        images = find_old_images(built, snapshot, keep, find_way_back(house.stack, snapshot))
        removed = [image for image in images if _removed(house, image)]
        configs: tuple[str, ...] = ()
        assets: tuple[str, ...] = ()
        serves = snapshot.gateway and snapshot.gateway.running and not snapshot.silent
        if snapshot.gateway and snapshot.config and serves:
            configs = house.open_gateway(snapshot.gateway).sweep(
                {snapshot.config.id, snapshot.current}
            )
            assets = thin_assets(house, snapshot.gateway)
    return Removed(
        containers=(*(container.name for container in (*orphans, *left)), *jobs),
        images=tuple(tag for image in removed for tag in image.tags or (image.id[:19],)),
        configs=configs,
        assets=assets,
    )


def _remove_old_files(house: House) -> None:
    """Remove the volumes with files that no container has any more."""
    stack = house.stack.name
    for name in house.engine.volumes(stack):
        if naming.has_files(stack, name):
            with suppress(Conflict):  # a container has it
                house.engine.remove_volume(name)


def find_orphans(house: House, snapshot: Snapshot) -> list[Container]:
    """Return containers of services that neither stack.yaml nor NGINX knows any more."""
    routed = snapshot.table.upstreams
    return [
        replica.container
        for replica in (*snapshot.replicas, *snapshot.aside)
        if replica.service not in house.stack.services and replica.service not in routed
    ]


def find_way_back(stack: Stack, snapshot: Snapshot) -> frozenset[str]:
    """Return the tags that a rollback makes containers from, where none are kept."""
    befores = {
        name: lane.active.before
        for name, lane in snapshot.lanes.items()
        if name in stack.services and lane.active
    }
    versions = [(find_builder(stack, name), before) for name, before in befores.items() if before]
    built = {naming.image_tag(stack.name, service, before) for service, before in versions}
    return frozenset(
        built | {name_published(stack, service, before) for service, before in versions}
    )


def find_old_images(
    images: Sequence[Image],
    snapshot: Snapshot,
    keep: int,
    spared: frozenset[str] = frozenset(),  # tags
) -> list[Image]:
    """Return images beyond the `keep` newest of each service that no container was made from.

    The engine lists images newest first.
    """
    used = {replica.container.image for replica in (*snapshot.replicas, *snapshot.aside)}
    used |= {run.image for run in snapshot.runs if run.running}
    seen: dict[str, int] = {}
    old = []
    for image in images:
        service = image.labels.get(naming.SERVICE, "")
        seen[service] = seen.get(service, 0) + 1
        if spared & {*image.tags}:
            continue
        if image.id not in used and (seen[service] > keep or not image.tags):
            old.append(image)
    return old


def _is_built(house: House, image: Image) -> bool:
    """Whether an image has no name but ours: one that was built upon it inherits its labels.

    It says itself what it was called in its registry, which stack.yaml may name no more.
    """
    service = image.labels.get(naming.SERVICE, "")
    ours = naming.image_tag(house.stack.name, service, "")
    published = image.labels.get(naming.PUBLISHED)
    return all(tag.startswith(ours) or tag == published for tag in image.tags)


def _removed(house: House, image: Image) -> bool:
    try:
        for tag in image.handles:
            house.engine.remove_image(tag)
    except EngineError as error:  # in use by a container of somebody else
        house.emit(Warned(error.message))
        return False
    return True


def _remove_networks(house: House) -> None:
    """Remove the stack's networks. Others may have a name that is as one of ours would be."""
    stack = house.stack.name
    # The last one is an earlier stackctl's.
    for name in (naming.network_name(stack), naming.edge_name(stack), stack):
        network = house.engine.network(name)
        if network is not None and network.labels.get(naming.STACK) == stack:
            house.engine.remove_network(name)


def _tell_of_left(house: House, containers: Sequence[Container]) -> None:
    for text in tell_of_left(containers):
        house.emit(Warned(text))


def _stop_and_remove(house: House, container: Container, *, data: bool) -> None:
    stack = house.stack
    service = container.labels.get(naming.SERVICE, "")
    grace = 10.0
    if _role(container) == "job":
        grace = 0.0  # it is a lock, and nothing to be ended in order
    elif _role(container) == "gateway":
        grace = stack.gateway.drain_timeout
    elif service in stack.services:
        grace = stack.services[service].stop_grace
    elif service in stack.accessories:
        grace = stack.accessories[service].stop_grace
    if container.running:
        house.engine.stop(container.id, grace)
    house.engine.remove(container.id, data=data)


def _role(container: Container) -> str:
    return container.labels.get(naming.ROLE, "")
