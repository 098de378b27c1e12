"""How a version gives way to the next one, where no two of them may run at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.events import DrainEnded
from orchestrator.release.candidate import stop
from orchestrator.release.lock import require_held
from orchestrator.release.switch import warn_of_cut
from orchestrator.release.waiting import await_old_workers
from orchestrator.release.witness import HEARD_WITHIN, await_first_answers

if TYPE_CHECKING:
    from orchestrator.release.plan import Plan
    from orchestrator.release.run import Run
    from orchestrator.release.switch import Switch


def close(run: Run, made: Plan, switch: Switch) -> None:
    """Have users told to come back, and wait until all are answered who had come before.

    Raises StackctlError.
    """
    if run.witness is not None:
        run.tell("until the witness knows what is usual", HEARD_WITHIN)
        await_first_answers(run.house, made.service, run.record.samples)
    await_old_workers(run, switch)  # those of a config without this service would let users in
    run.gap.open(closed=True)
    switch.move("stage", made.staged)
    switch.confirm(made.staged)
    if run.witness is not None:
        run.witness.let_go()  # its own unfinished requests are not to be waited for
    if made.previous is not None:
        run.tell(f"until {made.previous.version} has answered all; closed", made.drain_timeout)
        color = made.previous.color
        drained = switch.await_quiet(color, made.config.table, made.drain_timeout)
        run.emit(DrainEnded(round(drained.seconds, 3), drained.cut))
        warn_of_cut(drained, run.emit)
    require_held(run.lease)  # that lasts: somebody else may have opened it again


def end_previous(run: Run, made: Plan) -> None:
    """Stop what runs. Raises StackctlError."""
    run.tell(f"until {made.previous_version} has ended", made.service.stop_grace)
    try:
        stop(run.house.engine, made.service, made.outgoing, run.house.emit)
    finally:
        run.gap.open()
    require_held(run.lease)  # that lasts: somebody else may have started it again
