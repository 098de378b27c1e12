"""What a release will do, decided from the wish and the snapshot alone: pure, and shown as it is run."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestrator.gateway.lane import Lane, Target
from orchestrator.release.count import recount, set_count, tell_count
from orchestrator.release.gateway import require_gateway, require_protocols
from orchestrator.release.observe import fit_config
from orchestrator.release.ownership import refuse_taken
from orchestrator.release.reuse import find_before, is_kept, runs, serves
from orchestrator.release.specs import migration_spec, replica_specs
from orchestrator.release.unnamed import warn_of_uncovered
from orchestrator.stack import naming
from orchestrator.stack.part import ROOT

if TYPE_CHECKING:
    from orchestrator.engine.values import Container, ContainerSpec, Image
    from orchestrator.gateway.addresses import Upstream
    from orchestrator.gateway.config import Config
    from orchestrator.release.observe import Snapshot
    from orchestrator.release.provision import Provision
    from orchestrator.release.replica import Replica
    from orchestrator.stack.model import Color, Service, Stack

RUNS_AS_ROOT = (
    "{part}: its processes are root in their container, as `user: root` says, with the capabilities of"
    " an accessory"
)
PAUSED = "`{name}` is paused: its users are told to come back, until `stackctl resume {name}`"


@dataclass(frozen=True)
class Order:
    """What somebody asked for."""

    service: str
    version: str
    command: str = "deploy"  # deploy, rollback, up, restart or scale
    build: bool = True
    unreached: frozenset[str] = frozenset()  # replicas that run, and that nobody gets to
    companions: tuple[str, ...] = ()  # that follow with the same version, if this one is released
    reason: str = ""  # why a unit goes back; what it had is then not kept: it was not good
    replicas: int | None = None  # that `scale` asks for; None: as many as there are to be

    @property
    def repeats(self) -> bool:
        """Whether it is the version that serves, once more: what is kept stays what was before it."""
        return self.command in ("restart", "scale")


@dataclass(frozen=True)
class Plan:
    """A release, ready to be run."""

    release: str
    order: Order
    service: Service
    gateway: Container
    lane: Lane  # who gets the traffic now
    lanes: frozenset[str]  # services that have a lane
    candidate: Target
    upstream: Upstream | None  # of the candidate; a worker has none
    served: Config  # by NGINX now
    config: Config  # that NGINX must serve for this; the same one where nothing changes
    migration: ContainerSpec | None  # to be run to its end before
    backups: tuple[str, ...]  # accessories whose data is kept before that
    start: tuple[ContainerSpec, ...]  # to be created
    wake: tuple[Replica, ...]  # to be started again: the previous color, kept for a rollback
    aside: tuple[Replica, ...]  # kept until the candidate is promoted, under another name
    clear: tuple[Replica, ...]  # in the candidate's way, and of no use
    outgoing: tuple[Replica, ...]  # of the previous version
    drain_timeout: float  # seconds
    unchanged: bool

    @property
    def previous(self) -> Target | None:
        """The color that users get now."""
        return self.lane.active

    @property
    def previous_version(self) -> str:
        """The version that users get now; empty where there is none."""
        return self.previous.version if self.previous else ""

    @property
    def staged(self) -> Lane:
        """The lane while the candidate is on its way in."""
        staged = self.undone.stage(self.candidate)
        return replace(staged, config=self.config.id, closed=self.closes)

    @property
    def promoted(self) -> Lane:
        """The lane from the switch on."""
        return self.staged.promote()

    @property
    def retired(self) -> Lane:
        """The lane once the release is over."""
        kept = self.promoted.retire()
        return replace(kept, kept=None) if self.service.keep == "removed" else kept

    @property
    def undone(self) -> Lane:
        """The lane after a release that failed: what was kept is kept as before."""
        return self.lane if self.wake or self.aside else replace(self.lane, kept=None)

    @property
    def recounted(self) -> Lane | None:
        """The lane of a service that is as it should be, where only its number was asked for by another."""
        return recount(self.lane, self.candidate) if self.unchanged else None

    @property
    def versions(self) -> dict[Color, str]:
        """Return the version behind each color while the release goes on."""
        told = (self.previous, self.candidate)
        return {target.color: target.version for target in told if target}

    @property
    def is_reshaped(self) -> bool:
        """Whether the config that served until now does not know where the candidate is."""
        return self.served.table.of(self.order.service, self.candidate.color) != self.upstream

    @property
    def gives_way(self) -> bool:
        """Whether what runs now stops before the candidate starts: never may both run."""
        return self.service.alone and self.previous is not None

    @property
    def closes(self) -> bool:
        """Whether users are told to come back until the candidate is ready. A worker has none."""
        return self.gives_way and not self.service.is_worker

    @property
    def halted(self) -> tuple[Replica, ...]:
        """What is stopped for the candidate, and runs again where that one fails."""
        kept_up = ("running", "restarting")  # not what somebody has stopped
        return tuple(one for one in self.outgoing if one.container.state in kept_up)

    @property
    def drains(self) -> bool:
        """Whether the previous version may have users to answer; what was always a worker has none."""
        routed = (naming.ADDRESS in one.container.labels for one in self.outgoing)
        return self.previous is not None and (not self.service.is_worker or any(routed))

    @property
    def warm(self) -> bool:
        """Whether the candidate has run all the time, kept for a rollback."""
        return bool(self.wake) and all(replica.container.running for replica in self.wake)

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

    def find_warnings(self, image: Image) -> list[str]:
        """Return what its containers would do that stack.yaml may not mean: run as root, or begin
        without the data of those before; and that users do not get to them.
        """
        part = f"services.{self.order.service}"
        root = [RUNS_AS_ROOT.format(part=part)] if self.service.user == ROOT else []
        uncovered = (warn_of_uncovered(part, image, spec) for spec in self.start[:1])
        counted = tell_count(part, self.candidate, self.previous)
        paused = [PAUSED.format(name=self.order.service)] if self.lane.paused else []
        return [*root, *counted, *paused, *(text for texts in uncovered for text in texts)]


def plan_release(
    stack: Stack, snapshot: Snapshot, order: Order, release: str, image: str, given: Provision
) -> Plan:
    """Return what the release will do; `image` is the id of the version's image.

    Raises StackctlError where the stack is not ready for one.
    """
    gateway, served = require_gateway(stack, snapshot)
    lane, color = _find_place(snapshot, order.service)
    stack, declared = set_count(stack, order.service, lane.active, order.replicas)
    service = _find_service(stack, order)
    found = snapshot.of(order.service, color)
    wake = found if _goes_back(order, found, service, snapshot) else ()
    aside = () if wake else tuple(replica for replica in found if replica.belongs_to(lane.kept))
    config, upstream = _fit(stack, snapshot, (order.service, color), found, wake)
    before = find_before(lane) if order.repeats else None
    target = Target(color, order.version, service.replicas, release, before, declared)
    specs = replica_specs(stack, order.service, target, image, given, upstream)
    migration = None if wake else _find_migration(stack, order, lane, specs[0])
    return Plan(
        release=release,
        order=order,
        service=service,
        gateway=gateway,
        lane=lane,
        lanes=frozenset(snapshot.lanes),
        candidate=target,
        upstream=upstream,
        served=served,
        config=config,
        migration=migration,
        backups=find_backups(stack, order.service) if migration else (),
        start=() if wake else specs,
        wake=wake,
        aside=aside,
        clear=tuple(replica for replica in found if replica not in (*wake, *aside)),
        outgoing=snapshot.active(order.service),
        drain_timeout=find_drain_timeout(stack, order.service),
        unchanged=not wake and _runs(snapshot, order, specs) and serves(stack, gateway, served),
    )


def _find_place(snapshot: Snapshot, service: str) -> tuple[Lane, Color]:
    """Return who gets the traffic now, and the color that the candidate takes."""
    lane = snapshot.lane(service)
    return lane, naming.other(lane.active.color) if lane.active else "blue"


def _fit(
    stack: Stack,
    snapshot: Snapshot,
    candidate: tuple[str, Color],
    found: tuple[Replica, ...],
    wake: tuple[Replica, ...],
) -> tuple[Config, Upstream | None]:
    """Return the config that a release needs, and how it reaches the candidate.

    One that failed may have left a config with more replicas of what is woken than there are.
    """
    require_protocols(stack, snapshot)
    table = snapshot.table.only_first(*candidate, len(wake)) if wake else snapshot.table
    config = fit_config(stack, snapshot, table, None if wake else candidate)
    upstream = config.table.of(*candidate)
    refuse_taken(snapshot, upstream, found)
    return config, upstream


def _find_service(stack: Stack, order: Order) -> Service:
    """Return the service; what is replaced by its own version, or was not good, is not kept."""
    service, gone = stack.services[order.service], order.reason or order.repeats
    return service.model_copy(update={"keep": "removed"}) if gone else service


def _goes_back(
    order: Order, found: tuple[Replica, ...], service: Service, snapshot: Snapshot
) -> bool:
    back = order.command == "rollback"
    return back and is_kept(found, order.version, service, snapshot.table)


def _find_migration(
    stack: Stack, order: Order, lane: Lane, spec: ContainerSpec
) -> ContainerSpec | None:
    """Return what brings the database to the version; None where that has served on it before."""
    back = order.command == "rollback" and order.version == find_before(lane)
    return None if back or order.repeats else migration_spec(stack, order.service, spec)


def find_backups(stack: Stack, service: str) -> tuple[str, ...]:
    """Return the accessories that a migration of a service may change, and that can be backed up."""
    parts = {name: stack.accessories.get(name) for name in stack.services[service].needs}
    return tuple(name for name, part in parts.items() if part is not None and part.backup)


def _runs(snapshot: Snapshot, order: Order, specs: tuple[ContainerSpec, ...]) -> bool:
    return order.command != "restart" and runs(
        snapshot, order.service, order.version, specs, order.unreached
    )


def find_drain_timeout(stack: Stack, service: str) -> float:
    """Return the seconds that a color of a service has for its last answers."""
    own = stack.services[service].drain_timeout if service in stack.services else None
    return stack.gateway.drain_timeout if own is None else own
