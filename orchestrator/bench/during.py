"""A release in the middle of a load test, and the load's figures before, during and after it."""

from __future__ import annotations

import json
import math
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from orchestrator.bench.beside import Beside
from orchestrator.bench.figures import measure
from orchestrator.errors import Interrupted
from orchestrator.events import Closed, Event, Idle, PhaseBegan, PhaseEnded, Started
from orchestrator.evidence.checks import EVIDENCE
from orchestrator.release.rollout import deploy, require_service
from orchestrator.reports import read_own

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.bench.points import Point
    from orchestrator.bench.session import Session
    from orchestrator.release.house import House
    from orchestrator.release.plan import Order
    from orchestrator.release.result import Result

PARTS = ("before", "during", "after")


@dataclass(frozen=True)
class Span:
    """A stretch of time in which something was done."""

    name: str
    start: datetime
    end: datetime

    def holds(self, point: Point) -> bool:
        """Return whether a request ended within it."""
        return self.start.timestamp() <= point.at < self.end.timestamp()


class ReleaseUnderLoad(Beside):
    """Releases once, through the same function as `stackctl deploy`."""

    def __init__(self, house: House, order: Order, after: float) -> None:
        require_service(house, order.service)
        self._house = replace(house, emit=self._note)
        self._emit = house.emit
        self._order = order
        self._after = after
        self._span: Span | None = None
        self._phases: list[Span] = []
        self._began = house.clock.now()
        self._closed: list[tuple[float, float]] = []  # when users were told to come back
        self._own = True  # whether what goes on is a release of the service, and not of a companion
        self.result: Result | None = None

    def act(self, seconds: float) -> None:
        """Release, if it is time for it. Raises Interrupted where it was."""
        if self._span is not None or seconds < self._after:
            return
        clock = self._house.clock
        started = clock.now()
        try:
            self.result = deploy(self._house, self._order)
        finally:
            self._span = Span("during", started, clock.now())
        if isinstance(self.result.error, Interrupted):
            raise self.result.error

    def settle(self, session: Session) -> None:
        """Tell who was told to come back from what has failed."""
        known = self._count_turned_away()
        for points in session.points:
            points.excuse(self._closed, known)

    def label(self, point: Point) -> str:
        """Return which part of the load test a request belongs to."""
        if self._span is None or point.at < self._span.start.timestamp():
            return "before"
        return "during" if self._span.holds(point) else "after"

    def tell(self, session: Session) -> dict[str, Any] | None:
        """Return what came of the release, and of the load around it."""
        span, result = self._span, self.result
        if span is None or result is None:
            return None
        points = [point for run in session.points for point in run]
        parts = {
            name: measure(point for point in points if self.label(point) == name)._asdict()
            for name in PARTS
        }
        promoted = next((p.end for p in self._phases if p.name == "promote"), None)
        return {
            "service": result.service,
            "version": result.version,
            "outcome": result.outcome,
            "exit_code": result.exit_code,
            "error": result.facts()["error"],
            "release": result.release,
            "evidence": result.evidence,
            "lost": result.witness.lost,
            "seconds": round((span.end - span.start).total_seconds(), 3),
            "started": span.start.isoformat(timespec="milliseconds"),
            "promoted": promoted.isoformat(timespec="milliseconds") if promoted else None,
            "parts": parts,
            "phases": [_measure_phase(phase, points) for phase in self._phases],
        }

    def _count_turned_away(self) -> int:
        """Return how many clients the gateway has told to come back, as the evidence has it."""
        result, known = self.result, 0
        for one in (result.members or (result,)) if result else ():
            with suppress(OSError, ValueError, TypeError, KeyError):  # no evidence, or no users
                evidence = json.loads(read_own(self._house.releases / one.release / EVIDENCE))
                known += int(evidence["traffic"]["turned_away"])
        return known

    def _note(self, event: Event) -> None:
        now = self._house.clock.now()
        if isinstance(event, Closed):
            self._closed.append((now.timestamp(), math.inf))
        elif isinstance(event, Idle) and event.closed:
            self._closed[-1] = (self._closed[-1][0], now.timestamp())
        elif isinstance(event, Started):
            self._own = event.service == self._order.service
        elif isinstance(event, PhaseBegan):
            self._began = now
        elif isinstance(event, PhaseEnded) and self._own:
            self._phases.append(Span(str(event.phase), self._began, now))
        self._emit(event)


def _measure_phase(phase: Span, points: list[Point]) -> dict[str, Any]:
    lasted = (phase.end - phase.start).total_seconds()
    found = measure((point for point in points if phase.holds(point)), lasted)
    return {"phase": phase.name, **found._asdict()}
