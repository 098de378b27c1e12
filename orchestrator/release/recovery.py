"""What a release that died has left behind, and how it is put right: pure, from what is observed.

Users decide. Who gets no traffic yet never will: it is taken away. Who gets it keeps it, if it is
healthy, and what had it before goes to sleep. So it does not matter where a release died, by what,
or from which machine the next command comes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from orchestrator.engine.base import Container
    from orchestrator.gateway.routing import Lane, Routing, Target
    from orchestrator.release.observe import Replica, Snapshot
    from orchestrator.stack.model import Stack


@dataclass(frozen=True)
class Repair:
    """What is to be done for one service."""

    text: str  # what was found, and what becomes of it
    lane: Lane  # who gets the traffic
    remove: tuple[Replica, ...] = ()
    stop: tuple[Replica, ...] = ()


@dataclass(frozen=True)
class Recovery:
    """All that is to be put right; with nothing left over, there is nothing to do."""

    repairs: Mapping[str, Repair]  # by service
    migrations: tuple[Container, ...]
    routing: Routing | None  # that NGINX must take up; None where it serves what it should

    @property
    def texts(self) -> tuple[str, ...]:
        """Return what was found, for people."""
        found = [repair.text for repair in self.repairs.values()]
        found += [f"the migration `{one.name}` was left: it is removed" for one in self.migrations]
        if self.routing is not None and not self.repairs:
            found.append("the gateway would start with another config than it serves: it is moved")
        return tuple(found)


def diagnose(stack: Stack, snapshot: Snapshot, healthy: Collection[str]) -> Recovery:
    """Return what a dead release has left; `healthy` are names of replicas that pass their gate.

    It must not be asked while a release is at work: what that has begun looks the same.
    """
    routing = snapshot.routing
    if routing is None or snapshot.gateway is None or not snapshot.gateway.running:
        return Recovery({}, (), None)
    repairs = {
        name: repair
        for name, service in stack.services.items()
        if (repair := _diagnose_service(name, snapshot, healthy, rests=service.keep != "running"))
    }
    lanes = {**routing.lanes, **{name: repair.lane for name, repair in repairs.items()}}
    astray = snapshot.current is not None and snapshot.current.id != routing.id
    return Recovery(
        repairs=repairs,
        migrations=snapshot.migrations,
        routing=replace(routing, lanes=lanes) if astray or lanes != routing.lanes else None,
    )


def settle(routing: Routing) -> Routing:
    """Return a routing without any color that is on its way, for a gateway that starts anew."""
    lanes = {name: lane.abandon().retire() for name, lane in routing.lanes.items()}
    return replace(routing, lanes=lanes)


def needs_health(snapshot: Snapshot) -> bool:
    """Whether the way out depends on who is healthy: users were just moved to another color."""
    lanes = snapshot.routing.lanes.values() if snapshot.routing else ()
    return any(lane.step == "promoted" for lane in lanes)


def _diagnose_service(
    name: str, snapshot: Snapshot, healthy: Collection[str], *, rests: bool
) -> Repair | None:
    lane = snapshot.lane(name)
    if lane.active and lane.outgoing:
        return _finish(name, snapshot, lane, lane.active, lane.outgoing, healthy)
    idle = _idle(name, snapshot, lane)
    kept = tuple(replica for replica in idle if _is(replica, lane.kept))
    left = tuple(replica for replica in idle if replica not in kept)
    awake = tuple(r for r in kept if r.container.running) if rests or lane.candidate else ()
    if not (left or awake or lane.candidate):
        return None
    said = [f"{_name(left)} never got any traffic: removed"] if left else []
    said += [f"{_name(awake)} is kept for a rollback and ran: stopped"] if awake else []
    return Repair(
        text=f"`{name}`: " + ("; ".join(said) or "only NGINX knew of a candidate: forgotten"),
        lane=lane.abandon(),
        remove=left,
        stop=awake,
    )


def _finish(
    name: str,
    snapshot: Snapshot,
    lane: Lane,
    active: Target,
    outgoing: Target,
    healthy: Collection[str],
) -> Repair:
    """Bring a switch to its end; back, where the new color is not well and the old one is."""
    new, old = snapshot.of(name, active.color), snapshot.of(name, outgoing.color)
    if not _is_well(new, active, healthy) and _is_well(old, outgoing, healthy):
        return Repair(
            text=f"`{name}`: {active.version} was promoted and is not healthy: users get"
            f" {outgoing.version} again",
            lane=lane.go_back(),
            remove=new,
        )
    return Repair(
        text=f"`{name}`: {active.version} was promoted and {outgoing.version} not retired: finished",
        lane=lane.retire(),
        stop=old,
    )


def _idle(name: str, snapshot: Snapshot, lane: Lane) -> tuple[Replica, ...]:
    """Return the replicas that users do not get."""
    if lane.active:
        return snapshot.of(name, naming.other(lane.active.color))
    return snapshot.of(name, "blue") + snapshot.of(name, "green")


def _is(replica: Replica, target: Target | None) -> bool:
    return (
        target is not None
        and (replica.color, replica.version) == (target.color, target.version)
        and replica.number <= target.replicas
    )


def _is_well(replicas: tuple[Replica, ...], target: Target, healthy: Collection[str]) -> bool:
    well = [replica for replica in replicas if replica.container.name in healthy]
    return len(well) == target.replicas


def _name(replicas: tuple[Replica, ...]) -> str:
    first = replicas[0]
    return f"{first.version or 'a candidate'} ({first.color})"
