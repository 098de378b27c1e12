"""What a release waits for before it goes on: late requests, and workers of NGINX that must leave."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import GatewayError
from orchestrator.events import Progress, Warned
from orchestrator.release.candidate import clear_way
from orchestrator.release.lock import require_held

if TYPE_CHECKING:
    from orchestrator.release.plan import Plan
    from orchestrator.release.run import Run
    from orchestrator.release.switch import Switch


def await_quiet_color(run: Run, made: Plan, switch: Switch) -> None:
    """Wait for late requests to the candidate's color, then remove what is in its way.

    A request that had decided for what ran there before would be executed by the candidate.
    """
    if not made.service.is_worker:
        run.tell(f"until {made.candidate.color} has answered all of before", made.drain_timeout)
    quiet = switch.await_quiet(made.candidate.color, made.config.table, made.drain_timeout)
    if quiet.cut:
        run.emit(
            Warned(
                f"somebody who had decided for {made.candidate.color} was not answered within"
                f" {made.drain_timeout:g} s; the candidate starts at the same addresses"
            )
        )
    require_held(run.lease)  # waiting lasts: somebody else may be at work meanwhile
    clear_way(run.house.engine, made)
    run.house.emit(Progress(f"starting {' and '.join(made.replicas)}"))


def await_old_workers(run: Run, switch: Switch) -> None:
    """Wait for NGINX's workers that do not know where the candidate is; NGINX ends them in time."""
    within = run.house.stack.gateway.departure
    run.tell("until workers of the config before have left", within)
    if not switch.gateway.await_departures(within):
        raise GatewayError(
            f"a worker of the config before has not left within {within:g} s",
            "see why: `stackctl logs gateway`",
        )
