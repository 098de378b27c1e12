"""Two versions under the same load, turn and turn about, so that the machine's moods hit both alike."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orchestrator.bench.beside import Beside
from orchestrator.bench.compare import choose_turns
from orchestrator.bench.document import Turns
from orchestrator.errors import ConfigurationError, StackctlError
from orchestrator.release.observe import observe
from orchestrator.release.rollout import require_service, rollback
from orchestrator.release.version import previous_version

if TYPE_CHECKING:
    from orchestrator.bench.points import Point
    from orchestrator.release.house import House


class Turn(NamedTuple):
    """From when on a version served."""

    since: float  # Unix time
    version: str


class VersionTurns(Beside):
    """Puts the active and the previous version of a service before users in turn.

    Each switch is a rollback as any other, with its gate and its evidence. Raises
    ConfigurationError, StackctlError where there are no two versions to switch between.
    """

    def __init__(self, house: House, service: str, runs: int) -> None:
        require_service(house, service)
        snapshot = observe(house)
        self._house = house
        before, now = previous_version(snapshot, service), snapshot.version(service)
        if now == before:
            raise ConfigurationError(
                f"both colors of `{service}` call themselves `{now}`",
                "release it under a name of its own, then compare",
            )
        order = [now if mine else before for mine in choose_turns(runs)]
        self.turns: Turns = Turns(service, now, before, order)
        self._served = [Turn(0.0, now)]

    def prepare(self, run: int) -> None:
        """Switch to the version of a run, counted from 1. Raises StackctlError."""
        self._serve(self.turns.runs[run - 1])

    def finish(self) -> None:
        """Give users the version that they had. Raises StackctlError."""
        self._serve(self.turns.now)

    def label(self, point: Point) -> str:
        """Return the version that a request was for."""
        return next(turn.version for turn in reversed(self._served) if turn.since <= point.at)

    def _serve(self, version: str) -> None:
        if self._served[-1].version == version:
            return
        result = rollback(self._house, self.turns.service, version)
        if result.error is not None:
            raise result.error
        if result.exit_code:
            raise StackctlError(
                f"the switch of `{self.turns.service}` to {version} was not clean: {result.outcome}",
                f"read its evidence: `stackctl evidence show {result.release}`",
            )
        self._served.append(Turn(self._house.clock.now().timestamp(), version))
