"""The way back of a release that failed, and the ground that one needs cleared before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import EngineError, LockedError, StackctlError, UnsafeError
from orchestrator.gateway.apply import DRAIN_MARGIN, Drained
from orchestrator.release.candidate import (
    find_candidate,
    in_parallel,
    read_last_lines,
    undo_candidate,
)
from orchestrator.release.lock import LOST, PUT_RIGHT, require_held
from orchestrator.release.observe import to_replica
from orchestrator.release.phases import Undo

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from orchestrator.engine.base import Lease
    from orchestrator.gateway.apply import Gateway
    from orchestrator.release.house import House
    from orchestrator.release.observe import Replica
    from orchestrator.release.plan import Plan
    from orchestrator.release.result import Outcome

SHORTLY = 1.0  # seconds; to look takes an engine that has much to do a while


def drain(house: House, gateway: Gateway, plan: Plan, replicas: Sequence[Replica]) -> Drained:
    """Wait until no request can reach these replicas any more."""
    port = house.stack.services[plan.order.service].port
    within = house.stack.gateway.drain_timeout
    return gateway.drain([replica.container.address for replica in replicas], port, within)


def drain_outgoing(house: House, gateway: Gateway, plan: Plan, dismissed: float) -> Drained:
    """Drain the version that was replaced, and count whom NGINX makes leave.

    In silence it closes what is open `drain_timeout` after a worker was told to leave, the first one
    when `dismissed` says: so what is open shortly before counts as cut.
    """
    port = house.stack.services[plan.order.service].port
    addresses = [replica.container.address for replica in plan.outgoing]
    within = house.stack.gateway.drain_timeout
    limit = dismissed + within - min(SHORTLY, within / 4) - house.clock.monotonic()
    first = gateway.drain(addresses, port, limit - DRAIN_MARGIN)
    if first.seconds < limit:
        return first  # all have left by themselves
    rest = drain(house, gateway, plan, plan.outgoing)
    return Drained(first.seconds + rest.seconds, first.workers, first.cut or rest.cut)


def clear_way(house: House, gateway: Gateway, plan: Plan, lease: Lease) -> None:
    """Remove what is in the candidate's way, once no worker can send it requests."""
    if any(replica.container.running for replica in plan.clear):
        drain(house, gateway, plan, plan.clear)
        require_held(lease)  # a drain lasts: somebody else may have gone back to them meanwhile
    in_parallel(house.engine.remove, [replica.container.id for replica in plan.clear])


def read_candidate_logs(house: House, plan: Plan) -> str:
    """Return the candidate's last lines; that they cannot be read must not keep it from removal."""
    try:
        found = find_candidate(house.engine, house.stack.name, plan)
        return read_last_lines(house.engine, found)
    except EngineError as error:
        return f"no logs: {error.message}"


def put_back(
    house: House,
    gateway: Gateway,
    plan: Plan,
    undo: Undo,
    known: Collection[int],
    lease: Lease,
) -> None:
    """Undo a release: `known` are the workers that accepted before it. Raises StackctlError."""
    found = find_candidate(house.engine, house.stack.name, plan)
    if undo is Undo.RESTORE:
        gateway.restore(plan.base.routing.id, known)
        replicas = [replica for replica in map(to_replica, found) if replica]
        drain(house, gateway, plan, replicas)
        require_held(lease)
    undo_candidate(house.engine, plan, found)


def give_up(reason: str, failure: StackctlError, lease: Lease) -> tuple[Outcome, StackctlError]:
    """Return what becomes of a release whose undoing has failed, and the error to report."""
    if not lease.held:  # somebody else may be at work: the rest is theirs to put right
        told = reason if reason == LOST else f"{reason}; {LOST}"
        return "interrupted", LockedError(told, PUT_RIGHT)
    return "failed_unsafe", UnsafeError(
        f"{reason}; undoing it failed too: {failure.message}",
        failure.hint or "look at it now: `stackctl status`",
    )
