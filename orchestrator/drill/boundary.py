"""Where a release can be struck: before its first phase and after each, drawn from the phases."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.events import Event, PhaseBegan, PhaseEnded
from orchestrator.release.phases import Phase

ORDER = tuple(Phase)


@dataclass(frozen=True)
class Boundary:
    """The moment between two phases."""

    phase: Phase
    begins: bool = False  # before the phase instead of after it

    def __str__(self) -> str:
        """Return it as people write it."""
        return f"{'before' if self.begins else 'after'} {self.phase}"

    def is_after(self, phase: Phase) -> bool:
        """Whether that phase has ended here."""
        return not self.begins and ORDER.index(self.phase) >= ORDER.index(phase)

    def is_marked_by(self, event: Event) -> bool:
        """Whether this event is the one that a release emits here."""
        kind = PhaseBegan if self.begins else PhaseEnded
        return isinstance(event, kind) and event.phase == self.phase


def list_boundaries(command: str, *, migrates: bool, drains: bool = True) -> tuple[Boundary, ...]:
    """Return those that a command comes to, in their order.

    A service without a migration has no such phase, nor has a rollback: it wakes what was there. A
    worker drains nothing.
    The gateway is configured only where stack.yaml has changed, which it does not here.
    """
    left_out = {Phase.CONFIGURE}
    if not migrates or command == "rollback":
        left_out.add(Phase.MIGRATE)
    if not drains:
        left_out.add(Phase.DRAIN)
    phases = [phase for phase in ORDER if phase not in left_out]
    return (Boundary(phases[0], begins=True), *map(Boundary, phases))


def parse_boundary(text: str) -> Boundary:
    """Read what `str` has written. Raises ValueError."""
    side, _, phase = text.partition(" ")
    if side not in ("before", "after"):
        raise ValueError(text)
    return Boundary(Phase(phase), begins=side == "before")
