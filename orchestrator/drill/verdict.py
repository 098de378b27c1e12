"""What a fault did to users and to the stack, and whether that is what was promised: pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import inf
from typing import TYPE_CHECKING

from orchestrator.drill.faults import DEPLOYED, LOCK_LOST, UNSAFE
from orchestrator.evidence.samples import is_turned_away
from orchestrator.release.phases import UNDO, Phase, Undo
from orchestrator.release.result import SLO_MISSED

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestrator.drill.faults import Case, Fault
    from orchestrator.evidence.samples import Sample


EVER = (-inf, inf)


@dataclass(frozen=True)
class Toll:
    """What a fault cost: requests of strict clients."""

    sent: int
    lost: int  # while users should have been served
    in_flight: int  # lost, because what answered them was ended
    cut_off: int  # lost, because there was no gateway
    seconds: float  # for which there was none


@dataclass(frozen=True)
class Observation:
    """One case, and all that was seen of it."""

    case: Case
    code: int
    before: str  # the version that users had before the command
    wanted: str  # the version that it was to bring
    after: str  # the version that users have after the next command
    toll: Toll
    said: tuple[str, ...]  # what `status` said is to be put right, before the next command
    unclean: tuple[str, ...]  # what was still not as it should be after it
    evidence: str  # how the release ended, by its own evidence
    error: str = ""  # why the next command failed

    def facts(self) -> dict[str, object]:
        """Return it as JSON values."""
        return {
            "fault": self.case.fault.key,
            "command": self.case.command,
            "companion": self.case.companion,
            "boundary": str(self.case.boundary),
            "exit_code": self.code,
            "versions": {"before": self.before, "wanted": self.wanted, "after": self.after},
            "requests": asdict(self.toll),
            "put_right": list(self.said),
            "evidence": self.evidence,
            "problems": list(find_problems(self)),
        }


def count_toll(
    samples: Sequence[Sample], fault: Fault, struck: tuple[float, float], replicas: int
) -> Toll:
    """Count what was lost; `struck` is when the fault began and ended, in Unix time.

    Where nobody can be served, the losses until the first good answer of a request sent since then are
    no surprise; nor are those of requests that were in flight on what was ended.
    """
    began, ended = struck
    cuts = fault.cuts or (fault.severs and replicas == 1)
    good = [sample.done for sample in samples if sample.lost is None and sample.at > ended]
    served_again = min(good, default=float("inf")) if cuts else ended
    # It is no surprise either who is told to come back by the gateway, of a service that must be alone.
    failed = [s for s in samples if s.lost is not None and not s.refused]
    lost = [s for s in failed if not is_turned_away(s, [EVER])]
    # What was sent while the fault struck met it as well; where that lasts, nobody was there.
    latest = began if cuts else ended
    severed = [s for s in lost if (cuts or fault.severs) and s.at <= latest and s.done >= began]
    cut_off = [s for s in lost if cuts and latest < s.at <= served_again]
    return Toll(
        sent=len(samples),
        lost=len(lost) - len(severed) - len(cut_off),
        in_flight=len(severed),
        cut_off=len(cut_off),
        seconds=round(served_again - began, 2) if cuts and good else 0.0,
    )


def find_problems(seen: Observation) -> Iterator[str]:
    """Yield what is not as it was promised; with nothing, the case is survived."""
    if seen.code not in seen.case.fault.codes:
        yield f"exit code {seen.code}, expected {' or '.join(map(str, seen.case.fault.codes))}"
    if seen.toll.lost:
        yield f"{seen.toll.lost} requests lost"
    if seen.error:
        yield f"the next command failed: {seen.error}"
    if seen.after not in _allowed(seen):
        yield f"users have `{seen.after}`, expected {' or '.join(sorted(_allowed(seen)))}"
    yield from seen.unclean


def _allowed(seen: Observation) -> set[str]:
    """Return the versions that users may have: what the exit code says, or where it died tells."""
    if seen.code in (DEPLOYED, SLO_MISSED):
        return {seen.wanted}
    if seen.code < 0 or seen.code == LOCK_LOST:  # it has left all to the next command
        # Who leads a unit has switched before its companions begin.
        promoted = seen.case.companion or seen.case.boundary.is_after(Phase.PROMOTE)
        return {seen.wanted if promoted or not seen.before else seen.before}
    if seen.code == UNSAFE:
        return {seen.wanted, seen.before or seen.wanted}
    if UNDO[seen.case.boundary.phase] is Undo.FORWARD:
        # A signal takes a unit back, unless all of it has switched.
        return {seen.wanted, seen.before} if seen.case.in_unit else {seen.wanted}
    # `up` goes on where it was interrupted, so what it had to bring is there after the next one.
    return {seen.before or seen.wanted}
