"""What became of the requests of each kind of client: pure counting."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from orchestrator.evidence.samples import Sample

# For so long after its successor's start a worker may still accept: NGINX starts the new ones first
# and tells the old ones to leave a tenth of a second later.
OVERLAP = 1.0
NAMES = {"keepalive": "kept POSTs", "fresh": "fresh GETs", "slow": "half-sent POSTs"}


@dataclass
class Tally:
    """The requests of one kind of client."""

    sent: int = 0
    lost: int = 0
    closed: int = 0  # WebSockets that a drain closed, as it may
    losses: list[str] = field(default_factory=list)  # what each was

    def lose(self, what: str) -> None:
        """Count a lost request."""
        self.lost += 1
        self.losses.append(what)


@dataclass(frozen=True)
class Cut:
    """A WebSocket that the other side closed. All times are on one clock."""

    opened: float
    closed: float
    waiting: bool  # an echo was asked for before, and had not come


def count_samples(samples: Iterable[Sample]) -> dict[str, Tally]:
    """Count what the witness saw, by kind of client."""
    tallies = {name: Tally() for name in NAMES.values()}
    for sample in samples:
        tally = tallies[NAMES[sample.client]]
        tally.sent += 1
        if sample.lost is not None:
            tally.lose(f"{sample.request}, {sample.idle:g} s idle: {sample.lost}")
    return tallies


def judge_cuts(
    tally: Tally, cuts: Iterable[Cut], switches: Collection[float], drain: float
) -> None:
    """Count cuts that a drain accounts for as closed, all others as lost.

    A WebSocket stays with the color that took it. The first switch after it was opened makes that
    color the outgoing one, and `drain` seconds later it has to go. Until then it must be left alone,
    whether or not an echo was asked for.
    """
    for cut in cuts:
        if any(cut.opened - OVERLAP <= switch <= cut.closed - drain for switch in switches):
            tally.closed += 1
        else:
            asked = "an echo was asked for" if cut.waiting else "idle"
            tally.lose(f"a WebSocket cut {cut.closed - cut.opened:.1f} s after it opened, {asked}")
