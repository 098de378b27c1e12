"""A release while it goes on: its record, its time, its lock, and how it ends."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Self

from orchestrator.errors import StackctlError, UnsafeError
from orchestrator.events import Event, Failed, PhaseBegan, PhaseEnded, Undone, Waiting, Warned
from orchestrator.evidence.record import Record
from orchestrator.evidence.samples import count
from orchestrator.evidence.summary import find_closed
from orchestrator.release.conclusion import Ending, conclude
from orchestrator.release.gap import Gap
from orchestrator.release.lock import introduce, require_held
from orchestrator.release.phases import UNDO, Phase, Undo
from orchestrator.release.undo import give_up, put_back, read_candidate_logs, tell_left
from orchestrator.signals import held_back

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from orchestrator.engine.ports import Lease
    from orchestrator.evidence.witness import Witness
    from orchestrator.release.house import House
    from orchestrator.release.plan import Order, Plan
    from orchestrator.release.result import Outcome, Result
    from orchestrator.release.switch import Switch

WORKS_ON = "the previous version may work on beside it: `stackctl up` stops it"
AGAIN = ", and the version before works again"


class Run:
    """What the phases of one release share, between its first event and its evidence.

    As a context manager it undoes what a failed phase had changed, and leaves evidence either way.
    `result` is there afterwards; errors that a person can put right are in it.
    """

    result: Result

    def __init__(self, house: House, order: Order, lease: Lease) -> None:
        self.house = house
        self.order = order
        self.lease = lease
        self._engine = house.whereabouts  # asked for before the record begins
        self.record = Record.begin(
            house.releases, order.service, order.version, house.clock, house.evidence_key
        )
        self.plan: Plan | None = None  # once it is decided
        self.switch: Switch | None = None  # once it is opened; closed at the end
        self.witness: Witness | None = None  # once it is called; stopped at the end
        self.gap = Gap(house.clock, self.emit)
        self._phase = Phase.BUILD
        self._started = house.clock.monotonic()
        self._seconds: dict[str, float] = {}
        self._logs = ""

    def __enter__(self) -> Self:
        self.emit(introduce(self.record.release, self.order, self._engine))
        if self.order.reason:
            self.emit(Warned(self.order.reason))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        with closing(self.record):
            if error is not None and not isinstance(error, Exception):
                return False  # the process goes down: the next command puts things right
            return self._end(error)

    @contextmanager
    def phase(self, phase: Phase) -> Iterator[None]:
        """Run a block as a phase: told, timed, and only while the lock is ours."""
        self._phase = phase
        require_held(self.lease)
        self.emit(PhaseBegan(phase))
        started = self.house.clock.monotonic()
        yield
        self._seconds[phase] = self.house.clock.monotonic() - started
        self.emit(PhaseEnded(phase, round(self._seconds[phase], 3)))

    def emit(self, event: Event) -> None:
        """Tell the evidence, then the console."""
        self.record.emit(event)
        self.house.emit(event)

    def tell(self, what: str, within: float) -> None:
        """Say on a terminal what is waited for, and how long at most, in seconds."""
        self.house.emit(Waiting(what, within))

    def _end(self, error: Exception | None) -> bool:
        """Undo what is to be undone, and conclude; return whether the error is in the result."""
        self.record.tolerate()  # what follows must come to its end, on a full disk as well
        outcome: Outcome = "unchanged" if self.plan and self.plan.unchanged else "deployed"
        left = tell_left(self.order, None if error is None else UNDO[self._phase], self.plan)
        with held_back(left) as late:  # undoing is all that a first signal could ask for
            if error is not None:
                outcome, error = self._undo(error)
            known = error if isinstance(error, StackctlError) else None
            self.result = self._conclude(outcome, known)
        if late and outcome in ("deployed", "unchanged"):
            self.result = replace(self.result, error=late[0])
        return known is not None

    def _conclude(self, outcome: Outcome, error: StackctlError | None) -> Result:
        if self.switch is not None:
            self.switch.gateway.close()
        closed = find_closed(self.record.events)
        figures = self.witness.stop(closed) if self.witness else count(())
        if self.gap.told:
            self._seconds["gap"] = self.gap.seconds
        self._seconds["total"] = self.house.clock.monotonic() - self._started
        ending = Ending(outcome, error, self._seconds, self._logs, bool(closed))
        return conclude(self.house, self.record, self.order, self.plan, figures, ending)

    def _undo(self, error: Exception) -> tuple[Outcome, Exception]:
        """Do what the phase table says; return the outcome and the error to report."""
        reason = error.message if isinstance(error, StackctlError) else repr(error)
        undo, plan = UNDO[self._phase], self.plan
        if undo is Undo.FORWARD:
            worker = plan is not None and plan.service.is_worker
            left = WORKS_ON if worker else "the previous version was left as it is"
            self.emit(Warned(f"{self._phase}: {reason}; {left}"))
            return "deployed", error
        if plan is not None:
            self._logs = read_candidate_logs(self.house, plan)
        self.emit(Failed(self._phase, reason, getattr(error, "hint", None), self._logs))
        if self.witness is not None:
            self.witness.withdraw()  # users may get the previous version again
            self.witness.let_go()
        if isinstance(error, UnsafeError):
            return "failed_unsafe", error
        try:
            require_held(self.lease)
            if plan is not None and undo is not Undo.NOTHING:
                put_back(self.switch, plan, self.lease, undo, self.gap)
        except StackctlError as failure:
            self.emit(Warned(f"not undone: {failure.message}"))
            return give_up(reason, failure, self.lease)
        self.emit(Undone(f"{undo}{AGAIN if self.gap.told else ''}"))
        return "reverted", error
