"""The way back of a release that failed, and the ground that one needs cleared before it starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import EngineError
from orchestrator.release.candidate import (
    find_candidate,
    in_parallel,
    read_last_lines,
    undo_candidate,
)
from orchestrator.release.observe import to_replica
from orchestrator.release.phases import Undo

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from orchestrator.gateway.apply import Drained, Gateway
    from orchestrator.release.house import House
    from orchestrator.release.observe import Replica
    from orchestrator.release.plan import Plan


def drain(house: House, gateway: Gateway, plan: Plan, replicas: Sequence[Replica]) -> Drained:
    """Wait until no request can reach these replicas any more."""
    port = house.stack.services[plan.order.service].port
    within = house.stack.gateway.drain_timeout
    return gateway.drain([replica.container.address for replica in replicas], port, within)


def clear_way(house: House, gateway: Gateway, plan: Plan) -> None:
    """Remove what is in the candidate's way, once no worker can send it requests."""
    if any(replica.container.running for replica in plan.clear):
        drain(house, gateway, plan, plan.clear)
    in_parallel(house.engine.remove, [replica.container.id for replica in plan.clear])


def read_candidate_logs(house: House, plan: Plan) -> str:
    """Return the candidate's last lines; that they cannot be read must not keep it from removal."""
    try:
        found = find_candidate(house.engine, house.stack.name, plan)
        return read_last_lines(house.engine, found)
    except EngineError as error:
        return f"no logs: {error.message}"


def put_back(
    house: House, gateway: Gateway, plan: Plan, undo: Undo, known: Collection[int]
) -> None:
    """Undo a release: `known` are the workers that accepted before it. Raises StackctlError."""
    found = find_candidate(house.engine, house.stack.name, plan)
    if undo is Undo.RESTORE:
        gateway.restore(plan.base.routing.id, known)
        replicas = [replica for replica in map(to_replica, found) if replica]
        drain(house, gateway, plan, replicas)
    undo_candidate(house.engine, plan, found)
    gateway.discard(plan.passing)
