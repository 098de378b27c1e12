"""What a release that died has left behind, and what is right: pure, from what is observed.

Users decide. Who gets no traffic yet never will: it is taken away. Who gets it keeps it, if it is
healthy, and what had it before goes to sleep. So it does not matter where a release died, by what,
or from which machine the next command comes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestrator.errors import GatewayError
from orchestrator.gateway.addresses import COLORS
from orchestrator.gateway.lane import Lane, Target
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from orchestrator.engine.values import Container
    from orchestrator.release.observe import Snapshot
    from orchestrator.release.replica import Replica
    from orchestrator.stack.model import Service, Stack

Replicas = tuple["Replica", ...]


@dataclass(frozen=True)
class Repair:
    """What is to be done for one service."""

    text: str  # what was found, and what becomes of it
    lane: Lane  # who gets the traffic
    remove: Replicas = ()
    stop: Replicas = ()
    drop: Replicas = ()  # stopped and removed: another color has the same version
    back: Replicas = ()  # set aside, and kept again
    start: Replicas = ()  # stopped for a candidate, and active again
    awaited: Replicas = ()  # of a service that is closed: they must answer before it is opened


@dataclass(frozen=True)
class Diagnosis:
    """All that is to be put right; with nothing left over, there is nothing to do."""

    repairs: Mapping[str, Repair]  # by service
    migrations: tuple[Container, ...]
    holders: tuple[Container, ...] = ()  # of volumes, for containers that were being made
    astray: bool = False  # NGINX would start with another config than it serves

    @property
    def texts(self) -> tuple[str, ...]:
        """Return what was found, for people."""
        found = [repair.text for repair in self.repairs.values()]
        found += [f"the migration `{one.name}` was left: it is removed" for one in self.migrations]
        found += [f"`{one.name}` was left: it is removed" for one in self.holders]
        if self.astray:
            found.append("the gateway would start with another config than it serves: it is moved")
        return tuple(found)


def diagnose(
    stack: Stack, snapshot: Snapshot, healthy: Collection[str], *, relinked: bool = True
) -> Diagnosis:
    """Return what a dead release has left; `healthy` are names of replicas that pass their gate.

    It must not be asked while a release is at work: what that has begun looks the same. Unless
    lost links were `relinked` before, a service without one may have had users.
    """
    gateway, config = snapshot.gateway, snapshot.config
    if config is None or gateway is None or not gateway.running:
        return Diagnosis({}, ())
    found = {
        name: _find_aside(
            name,
            snapshot,
            _diagnose_service(name, service, snapshot, healthy),
        )
        for name, service in stack.services.items()
    }
    if not relinked:
        found |= {
            name: Repair(f"`{name}`: no link leads to it; what users had is looked for", Lane())
            for name, repair in found.items()
            if repair and name not in snapshot.lanes
        }
    return Diagnosis(
        repairs={name: repair for name, repair in found.items() if repair},
        migrations=snapshot.migrations,
        holders=tuple(
            one for one in snapshot.holders if not naming.is_run(stack.name, one.name)
        ),  # a run's may be at work: it needs no lock
        astray=snapshot.current != config.id,
    )


def needs_health(snapshot: Snapshot) -> bool:
    """Whether the way out depends on who is healthy: users were just moved, or get nobody."""
    return any(
        lane.step == "promoted" or not _running(snapshot, service, lane.active)
        for service, lane in snapshot.lanes.items()
    )


def adopt(service: str, snapshot: Snapshot, known: Collection[Lane | None]) -> Lane | None:
    """Return the lane of a service whose link is lost; None where it never had one.

    `known` are the lanes that are still on the gateway's disk, None for one that cannot be read. The
    newest of them that runs is what users had. Raises GatewayError where nobody can tell.
    """
    running = [lane for lane in known if lane and _running(snapshot, service, lane.active)]
    if running:
        return max(running, key=lambda lane: lane.active.release if lane.active else "")
    return adopt_running(service, snapshot) if known else None


def adopt_running(service: str, snapshot: Snapshot) -> Lane | None:
    """Return the lane of a service by its containers alone: the color that runs is what users had.

    None where nothing of it runs. Raises GatewayError where both colors do.
    """
    awake = [found for color in COLORS if (found := _awake(snapshot.of(service, color)))]
    if len(awake) > 1:
        run = " and ".join(map(_name, awake))
        names = " ".join(replica.container.name for replica in awake[0])
        raise GatewayError(
            f"nobody can tell which version users of `{service}` had: {run} run",
            f"stop the one that they must not get, such as `docker stop {names}`; then `stackctl up`",
        )
    if not awake:
        return None
    active = to_target(awake[0])
    kept = snapshot.of(service, naming.other(active.color))
    return Lane(active, kept=to_target(kept) if kept else None)


def to_target(replicas: Replicas) -> Target:
    """Return the color that replicas make up."""
    first = replicas[0]
    return Target(first.color, first.version, len(replicas), first.release)


def _diagnose_service(
    name: str, service: Service, snapshot: Snapshot, healthy: Collection[str]
) -> Repair | None:
    lane = snapshot.lane(name)
    if lane.active and lane.outgoing:
        return _finish(name, snapshot, lane, lane.active, lane.outgoing, healthy)
    stopped = _find_stopped(name, service, snapshot, lane)
    # That a worker runs is no proof, nor that a candidate does for which another one was stopped.
    proven = lane.candidate is None or not (service.may_be_at_work or lane.closed)
    if lane.active and proven and not _running(snapshot, name, lane.active):
        stranded = _strand(name, snapshot, lane, lane.active, healthy)
        if stranded:
            return stranded
    idle = _idle(name, snapshot, lane)
    # Where one is set aside, its name and address are a candidate's.
    taken = {replica.number for replica in snapshot.aside_of(name)}
    kept = tuple(r for r in idle if r.number not in taken and r.belongs_to(lane.kept))
    left = tuple(replica for replica in idle if replica not in kept)
    awake = _awake(kept) if service.keep != "running" or lane.candidate else ()
    if not (left or awake or lane.candidate):
        return None
    never = "was never in charge" if service.may_be_at_work else "never got any traffic"
    said = [f"{_name(left)} {never}: removed"] if left else []
    said += [f"{_name(awake)} is kept for a rollback and ran: stopped"] if awake else []
    said += [f"{_name(stopped)} was stopped for it: started again"] if stopped else []
    said += ["it was closed: opened again"] if lane.closed else []
    return Repair(
        text=f"`{name}`: " + ("; ".join(said) or "only its lane knew of a candidate: forgotten"),
        lane=lane.abandon(),
        remove=left,
        stop=awake,
        start=stopped,
        awaited=snapshot.of(name, lane.active.color) if lane.closed and lane.active else (),
    )


def _find_stopped(name: str, service: Service, snapshot: Snapshot, lane: Lane) -> Replicas:
    """Return the active replicas that had to end before a candidate could start, which is no good."""
    if not (service.alone or lane.closed) or lane.candidate is None or lane.active is None:
        return ()
    own = snapshot.of(name, lane.active.color)
    return tuple(replica for replica in own if not replica.container.running)


def _find_aside(name: str, snapshot: Snapshot, repair: Repair | None) -> Repair | None:
    """Have what was set aside kept again, or removed where a candidate has taken its place for good."""
    aside = snapshot.aside_of(name)
    if not aside:
        return repair
    lane = repair.lane if repair else snapshot.lane(name)
    what = _name(aside)
    if all(replica.belongs_to(lane.kept) for replica in aside):
        known = repair or Repair(f"`{name}`: {what} was set aside", lane)
        return replace(known, text=f"{known.text}; {what} is kept again", back=aside)
    known = repair or Repair(f"`{name}`: {what} was kept before", lane)
    remove = (*known.remove, *aside)
    return replace(known, text=f"{known.text}; {what} is removed", remove=remove)


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
    what, was = active.version, outgoing.version
    if active.before is None:
        text = f"`{name}`: {what} was promoted and {was} not retired: finished"
        return Repair(text, lane.retire(), stop=old)
    what, was = f"{what} ({active.color})", f"{was} ({outgoing.color})"
    text = f"`{name}`: {what} was promoted in place of {was}, which was not removed: finished"
    return Repair(text, lane.retire(), drop=old)


def _strand(
    name: str, snapshot: Snapshot, lane: Lane, active: Target, healthy: Collection[str]
) -> Repair | None:
    """Lead users to the other color where theirs does not run and that one is well.

    So it is after a power cut that undid the move of the link, and not the stop of the old color.
    """
    other = snapshot.of(name, naming.other(active.color))
    if not other:
        return None
    target = to_target(other)
    if not _is_well(other, target, healthy):
        return None
    return Repair(
        text=f"`{name}`: {active.version} does not run and {target.version} is healthy: users get it",
        lane=Lane(target, config=lane.config, paused=lane.paused),
        stop=snapshot.of(name, active.color),
    )


def _idle(name: str, snapshot: Snapshot, lane: Lane) -> Replicas:
    """Return the replicas that users do not get."""
    if lane.active:
        return snapshot.of(name, naming.other(lane.active.color))
    return snapshot.of(name, "blue") + snapshot.of(name, "green")


def _is_well(replicas: Replicas, target: Target, healthy: Collection[str]) -> bool:
    well = [replica for replica in replicas if replica.container.name in healthy]
    return len(well) == target.replicas


def _running(snapshot: Snapshot, service: str, target: Target | None) -> bool:
    return target is not None and bool(_awake(snapshot.of(service, target.color)))


def _awake(replicas: Replicas) -> Replicas:
    return tuple(replica for replica in replicas if replica.container.running)


def _name(replicas: Replicas) -> str:
    first = replicas[0]
    return f"{first.version or 'a candidate'} ({first.color})"
