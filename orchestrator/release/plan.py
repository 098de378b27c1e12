"""What a release will do, decided from the wish and the snapshot alone: pure, and shown as it is run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.errors import ConfigurationError, StackctlError
from orchestrator.gateway.apply import Config
from orchestrator.gateway.render import render
from orchestrator.gateway.routing import Lane, Routing, Target
from orchestrator.release.specs import migration_spec, replica_specs
from orchestrator.stack import naming
from orchestrator.stack.model import VERSION, Stack

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.engine.base import Container, ContainerSpec
    from orchestrator.release.observe import Replica, Snapshot


@dataclass(frozen=True)
class Order:
    """What somebody asked for."""

    service: str
    version: str
    command: str = "deploy"  # deploy, rollback or up
    build: bool = True


@dataclass(frozen=True)
class Route:
    """The way of the traffic through a release. It needs no image: NGINX tests it meanwhile."""

    release: str
    order: Order
    gateway: Container
    candidate: Target
    previous: Target | None
    base: Config  # serves now
    staged: Config  # + the candidate as preview
    promoted: Config  # the candidate gets the traffic, the previous is the preview
    retired: Config  # without the previous

    @property
    def passing(self) -> tuple[str, str]:
        """Return the ids of the configs that a release which goes well leaves behind it."""
        return self.staged.routing.id, self.promoted.routing.id

    @property
    def is_new(self) -> bool:
        """Whether the version differs from the one that serves, so that something must change."""
        return self.previous is None or self.previous.version != self.order.version


@dataclass(frozen=True)
class Plan(Route):
    """A release, ready to be run: the route, the candidate's containers and whom they replace."""

    migration: ContainerSpec | None  # to be run to its end before
    start: tuple[ContainerSpec, ...]  # to be created
    wake: tuple[Replica, ...]  # to be started again: the previous color, kept for a rollback
    clear: tuple[Replica, ...]  # in the candidate's way
    outgoing: tuple[Replica, ...]  # of the previous version
    unchanged: bool

    @property
    def replicas(self) -> tuple[str, ...]:
        """Return the names of the candidate's containers."""
        return tuple(spec.name for spec in self.start) or tuple(
            replica.container.name for replica in self.wake
        )

    def owns(self, container: Container) -> bool:
        """Whether a container is one of the candidate's, its migration's included.

        Leftovers of another release may still have the names of this one's.
        """
        if container.id in {replica.container.id for replica in self.wake}:
            return True
        names = {spec.name for spec in (*self.start, self.migration) if spec}
        return container.name in names and container.labels.get(naming.RELEASE) == self.release


def plan_route(stack: Stack, snapshot: Snapshot, order: Order, release: str) -> Route:
    """Return the configs of a release. Raises StackctlError where the gateway is not up."""
    gateway, routing = _require_gateway(stack, snapshot)
    lane = routing.lane(order.service)
    active = lane.active
    color = naming.other(active.color) if active else "blue"
    candidate = Target(color, order.version, stack.services[order.service].replicas, release)

    def config(word: str, lane: Lane) -> Config:
        moved = routing.with_lane(f"{release}.{word}", order.service, lane)
        return Config(moved, render(stack, moved))

    staged = lane.stage(candidate)
    promoted = staged.promote()
    return Route(
        release=release,
        order=order,
        gateway=gateway,
        candidate=candidate,
        previous=active,
        base=Config(routing, snapshot.config),
        staged=config("stage", staged),
        promoted=config("promote", promoted),
        retired=config("retire", promoted.retire()),
    )


def plan_release(
    stack: Stack,
    snapshot: Snapshot,
    route: Route,
    image: str,  # id of the version's image
    secrets: Mapping[str, str],
) -> Plan:
    """Return what the release will do."""
    order, active, candidate = route.order, route.previous, route.candidate
    found = snapshot.of(order.service, candidate.color)
    wake = found if _is_kept(found, order, candidate.replicas) else ()
    specs = replica_specs(stack, order.service, candidate, image, secrets)
    live = snapshot.of(order.service, active.color) if active else ()
    return Plan(
        **vars(route),
        migration=None if wake else migration_spec(stack, order.service, specs[0]),
        start=() if wake else specs,
        wake=wake,
        clear=() if wake else found,
        outgoing=live,
        unchanged=(
            not wake
            and snapshot.version(order.service) == order.version
            and render(stack, route.base.routing) == route.base.text
            and _same_replicas(live, specs)
        ),
    )


def parse_version(text: str) -> str:
    """Return the version. Raises ConfigurationError where it cannot be an image tag."""
    if not re.fullmatch(VERSION, text):
        raise ConfigurationError(
            f"`{text}` cannot be a version",
            "use what an image tag may be: letters, digits, `.`, `_` and `-`, at most 128",
        )
    return text


def previous_version(snapshot: Snapshot, service: str) -> str:
    """Return the version that a rollback goes back to. Raises StackctlError where none is kept."""
    live = snapshot.live_color(service)
    if live is None:
        raise StackctlError(
            f"`{service}` has no active version to roll back from", "release one: `stackctl up`"
        )
    kept = snapshot.of(service, naming.other(live))
    if not kept:
        raise StackctlError(
            f"no previous version of `{service}` is kept on this engine",
            f"name one: `stackctl rollback {service} --to VERSION`",
        )
    return kept[0].version


def _require_gateway(stack: Stack, snapshot: Snapshot) -> tuple[Container, Routing]:
    if snapshot.gateway is None or not snapshot.gateway.running or snapshot.routing is None:
        raise StackctlError(
            f"the gateway of `{stack.name}` does not run", "bring the stack up: `stackctl up`"
        )
    return snapshot.gateway, snapshot.routing


def _is_kept(found: tuple[Replica, ...], order: Order, replicas: int) -> bool:
    """Whether a rollback can start the previous containers again instead of making new ones."""
    return (
        order.command == "rollback"
        and len(found) == replicas
        and all(replica.version == order.version for replica in found)
    )


def _same_replicas(live: tuple[Replica, ...], specs: tuple[ContainerSpec, ...]) -> bool:
    """Whether the live color runs just these specs, which are of the other color."""
    wanted = {spec.labels[naming.REPLICA]: spec.labels[naming.SPEC] for spec in specs}
    return wanted == {str(r.number): r.spec for r in live if r.container.running}
