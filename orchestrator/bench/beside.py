"""What a load test may have beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.bench.document import LOAD

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.bench.document import Turns
    from orchestrator.bench.points import Point
    from orchestrator.bench.session import Session


class Beside:
    """Nothing goes on beside the load, unless a subclass says more."""

    turns: Turns | None = None  # which version each run is for, where two take turns

    def prepare(self, run: int) -> None:
        """Make ready for a run, counted from 1. Raises StackctlError."""

    def act(self, seconds: float) -> None:
        """Do what is due so many seconds after the start of a run. Raises StackctlError."""

    def finish(self) -> None:
        """Put things back after the last run, however it ended. Raises StackctlError."""

    def settle(self, session: Session) -> None:
        """Look again at what was measured, now that all is known."""

    def label(self, point: Point) -> str:  # noqa: ARG002  for those who need it
        """Return the part of the load test that a request belongs to."""
        return LOAD

    def tell(self, session: Session) -> Mapping[str, Any] | None:  # noqa: ARG002
        """Return what is to be said of it beside the load's own figures."""
        return None
