"""The gate that a release's candidate passes: by requests, or, of a worker, by its containers alone."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from orchestrator.clock import poll
from orchestrator.errors import CandidateError
from orchestrator.events import Emit, Probed
from orchestrator.health import Gate, Verdict
from orchestrator.release.candidate import find_candidate
from orchestrator.release.symptoms import explain

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.engine.values import Container
    from orchestrator.release.house import House
    from orchestrator.release.plan import Plan

LOOK_EVERY = 0.1  # seconds
SLOW = (
    "`health.command` runs inside of the container, and must end with 0 there; a slow start needs a"
    " longer `health.deadline`"
)


def pass_gate(house: House, plan: Plan, emit: Emit, tell: Callable[[str, float], None]) -> None:
    """Return once every replica has proven itself; `tell` says for what, and how long at most.

    Raises CandidateError.
    """
    health = plan.service.health
    if not plan.service.is_worker:
        tell(f"{health.successes} healthy answers in a row", health.deadline)
        _pass_by_requests(house, plan, emit)
    elif health.command:
        tell("until each replica is ready", health.deadline)
        _pass_by_command(house, plan, emit)
    else:
        tell("until each replica has run long enough", health.steady)
        _pass_by_running(house, plan, emit)


def require_running(house: House, plan: Plan) -> tuple[Container, ...]:
    """Return the candidate's containers. Raises CandidateError where one has ended or is gone."""
    found = {one.name: one for one in find_candidate(house.engine, house.stack.name, plan)}
    for name in plan.replicas:
        container = found.get(name)
        if container is None or not container.running:
            reason = explain(house, plan, name, Verdict(healthy=False, status=None))
            raise CandidateError(
                f"`{name}` did not go on running: it {reason.text if reason else 'has ended'}",
                reason.hint if reason else "its last log lines say why",
            )
    return tuple(found.values())


def _pass_by_requests(house: House, plan: Plan, emit: Emit) -> None:
    health, stack = plan.service.health, house.stack.name

    def crashed() -> list[str]:
        return [one.name for one in find_candidate(house.engine, stack, plan) if one.crashed]

    Gate(health, plan.order.version, house.clock, emit, warm=plan.warm).wait(
        plan.replicas,
        lambda name: house.admin.probe(
            name.removeprefix(f"{stack}-"),
            health.path,
            health.timeout,
            health.headers,
            health.body,
        ),
        crashed,
        partial(explain, house, plan),
    )


def _pass_by_command(house: House, plan: Plan, emit: Emit) -> None:
    """Wait until the engine, which runs the command, calls every replica healthy."""
    within, late = plan.service.health.deadline, list(plan.replicas)
    started = house.clock.monotonic()

    def ready() -> bool | None:
        for container in require_running(house, plan):
            if container.health == "healthy" and container.name in late:
                late.remove(container.name)
                _tell(emit, container.name, house.clock.monotonic() - started)
        return not late or None

    if not poll(ready, clock=house.clock, every=LOOK_EVERY, within=within):
        for name in late:
            emit(Probed(name, 1, healthy=False, status=None, ms=within * 1000, detail="not ready"))
        names = ", ".join(f"`{name}`" for name in late)
        raise CandidateError(f"{names} did not get healthy within {within:g} s", SLOW)


def _pass_by_running(house: House, plan: Plan, emit: Emit) -> None:
    """Look on for as long as a worker has to run: what ends in that time is no good."""
    wanted, started = plan.service.health.steady, house.clock.monotonic()

    def steady() -> bool | None:
        require_running(house, plan)
        return house.clock.monotonic() - started >= wanted or None

    poll(steady, clock=house.clock, every=LOOK_EVERY, within=wanted)
    require_running(house, plan)
    for name in plan.replicas:
        _tell(emit, name, wanted)


def _tell(emit: Emit, name: str, seconds: float) -> None:
    emit(Probed(name, 1, healthy=True, status=None, ms=round(seconds * 1000, 1), detail=""))
