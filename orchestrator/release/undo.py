"""The way back of a release that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import EngineError, LockedError, StackctlError, UnsafeError
from orchestrator.events import Warned
from orchestrator.release.candidate import (
    bring_back,
    find_candidate,
    find_kept,
    read_last_lines,
    start_again,
    undo_candidate,
)
from orchestrator.release.lock import LOST, PUT_RIGHT, require_held
from orchestrator.release.phases import Undo
from orchestrator.release.wellbeing import await_answers

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.engine.ports import Lease
    from orchestrator.engine.values import Container
    from orchestrator.release.gap import Gap
    from orchestrator.release.house import House
    from orchestrator.release.plan import Order, Plan
    from orchestrator.release.result import Outcome
    from orchestrator.release.switch import Switch

LEFT = {
    Undo.NOTHING: "nothing but its evidence, which is not written yet",
    Undo.REMOVE: "containers of the new version, which no user gets",
    Undo.RESTORE: "users with the old version or the new one, and containers of the other one",
    Undo.FORWARD: "containers of the old version, which no user gets",
}


def tell_left(order: Order, undo: Undo | None, plan: Plan | None = None) -> str:
    """Return what is left where the way back, or with None only the evidence, does not come to its end."""
    left = "its evidence, which is not written yet" if undo is None else LEFT[undo]
    if undo in (Undo.REMOVE, Undo.RESTORE) and plan is not None and plan.gives_way:
        left = "nobody at work but perhaps the new version, as the old one was stopped for it"
        left = "the service closed, as the old version was stopped" if plan.closes else left
    return (
        f"`{order.command} {order.service} {order.version}` is being brought to its end; once more ends it"
        f" here, and leaves {left}: {PUT_RIGHT}"
    )


def read_candidate_logs(house: House, plan: Plan) -> str:
    """Return the candidate's last lines; that they cannot be read must not keep it from removal."""
    try:
        found = find_candidate(house.engine, house.stack.name, plan)
        return read_last_lines(house.engine, found, plan.service.health.path)
    except EngineError as error:
        return f"no logs: {error.message}"


def put_back(switch: Switch | None, plan: Plan, lease: Lease, undo: Undo, gap: Gap) -> None:
    """Undo a release, as far as its lane says that it went. Raises StackctlError.

    Where there is no lane, because NGINX does not answer or nobody was served before, `undo` tells
    whether the link may have been moved.
    """
    if switch is None:
        return
    engine, stack = switch.house.engine, switch.house.stack.name
    found = find_candidate(engine, stack, plan)
    if plan.gives_way:
        _change_back(switch, plan, found, lease, gap)
    else:
        _move_back(switch, plan, may_have_moved=undo is Undo.RESTORE)
        require_held(lease)
        undo_candidate(engine, plan, found)
    if plan.aside:
        bring_back(engine, plan.service, find_kept(engine, stack, plan))


def _change_back(
    switch: Switch, plan: Plan, found: Sequence[Container], lease: Lease, gap: Gap
) -> None:
    """Have the color work again that was stopped for the candidate, once that one has gone.

    Until then the lane says that there is a candidate, so whoever comes after a death does the same.
    """
    engine, lane = switch.house.engine, switch.read()
    if lane == plan.lane:  # nothing was stopped
        undo_candidate(engine, plan, found)
        return
    if lane is None or lane.step == "promoted":
        if plan.closes:
            gap.open(closed=True)
        switch.move("halt", plan.staged)
        if plan.closes:
            _let_answer(switch, plan)
    require_held(lease)
    gap.open()
    undo_candidate(engine, plan, found)
    require_held(lease)
    start_again(engine, plan.halted)
    if plan.closes:
        await_answers(switch.house, plan.halted, switch.emit)
        require_held(lease)
        _restore(switch, plan)
        gap.close()
        return
    gap.close()
    _restore(switch, plan)


def _move_back(switch: Switch, plan: Plan, *, may_have_moved: bool) -> None:
    """Lead users to where they were before, and let the candidate answer those who had it."""
    lane = switch.read()
    if lane == plan.lane or (lane is None and plan.previous is None and not may_have_moved):
        return  # no link was moved
    _restore(switch, plan)
    if lane is not None and lane.step == "staged" and not lane.share:
        return  # nobody got the candidate
    _let_answer(switch, plan)


def _let_answer(switch: Switch, plan: Plan) -> None:
    """Let the candidate answer those who had it."""
    quiet = switch.await_quiet(plan.candidate.color, plan.config.table, plan.drain_timeout)
    if quiet.cut:
        switch.emit(Warned(f"{quiet.cut} connections to the candidate were cut"))


def _restore(switch: Switch, plan: Plan) -> None:
    """Move the link back. Raises UnsafeError where users may not have the previous version."""
    try:
        if plan.previous is None:
            switch.drop()
        else:
            switch.move("back", plan.undone)
            switch.confirm(plan.undone)
    except StackctlError as error:
        raise UnsafeError(
            f"the link of `{switch.service}` could not be moved back: {error.message}",
            "look at the gateway now: `stackctl status`, `stackctl logs gateway`",
        ) from error


def give_up(reason: str, failure: StackctlError, lease: Lease) -> tuple[Outcome, StackctlError]:
    """Return what becomes of a release whose undoing has failed, and the error to report."""
    if not lease.held:  # somebody else may be at work: the rest is theirs to put right
        told = reason if reason == LOST else f"{reason}; {LOST}"
        return "interrupted", LockedError(told, PUT_RIGHT)
    return "failed_unsafe", UnsafeError(
        f"{reason}; undoing it failed too: {failure.message}",
        failure.hint or "look at it now: `stackctl status`",
    )
