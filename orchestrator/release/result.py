"""What came of a release: the value that the command line prints and exits with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from orchestrator.errors import Interrupted, StackctlError, UnsafeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.evidence.samples import Figures

Outcome = Literal["deployed", "unchanged", "reverted", "interrupted", "failed_unsafe"]
SLO_MISSED = 6
BY_GRAVITY = ("unchanged", "deployed", "reverted", "interrupted", "failed_unsafe")


@dataclass(frozen=True)
class Result:
    """One release, over."""

    outcome: Outcome
    service: str
    version: str
    color: str | None
    release: str
    evidence: str | None  # folder, relative to stack.yaml's where it lies in that
    witness: Figures
    seconds: Mapping[str, float]
    error: StackctlError | None = None
    warnings: tuple[str, ...] = ()
    previous: str | None = None  # version that users had before; None where nobody was served
    command: str = "deploy"  # that asked for it
    replicas: int | None = None  # that users have now; None where that was not decided
    planned: bool = False  # whether it came so far that `previous` is known
    closed: bool = False  # whether users were told to come back for a while
    url: str = ""  # where users find the service on this machine; empty where it has no route
    report: str | None = None  # page of the evidence, told as the folder is
    seal: str | None = None  # SHA-256 of the seal over the evidence
    logs: str = field(default="", repr=False)  # last lines of a failed candidate
    members: tuple[Result, ...] = ()  # of a unit: each of its releases, in their order
    runs: Mapping[str, str] = field(default_factory=dict)  # of a unit: who has which version now

    @property
    def went_through(self) -> bool:
        """Whether users have the version that was asked for."""
        return self.outcome in ("deployed", "unchanged")

    @property
    def exit_code(self) -> int:
        """Return the exit code that tells a script the same."""
        if self.outcome == "failed_unsafe":
            return UnsafeError.exit_code
        if isinstance(self.error, Interrupted):
            return self.error.exit_code
        if self.outcome in ("reverted", "interrupted"):
            return self.error.exit_code if self.error else StackctlError.exit_code
        witness = self.witness
        return SLO_MISSED if witness.lost or witness.unseen or witness.failure else 0

    def facts(self) -> dict[str, object]:
        """Return the result as JSON values."""
        return {
            "outcome": self.outcome,
            "service": self.service,
            "version": self.version,
            "command": self.command,
            "replicas": self.replicas,
            "color": self.color,
            "release": self.release,
            "evidence": self.evidence,
            "previous": self.previous,
            "closed": self.closed,
            "url": self.url,
            "report": self.report,
            "seal": self.seal,
            "witness": self.witness.facts(),
            "seconds": dict(self.seconds),
            "warnings": list(self.warnings),
            "members": [member.facts() for member in self.members],
            "runs": dict(self.runs),
            "error": (
                {"message": self.error.message, "hint": self.error.hint} if self.error else None
            ),
        }


def find_gravest(results: Sequence[Result]) -> Result:
    """Return the release that went worst; of those that went alike, the last one."""
    return max(reversed(results), key=lambda one: (BY_GRAVITY.index(one.outcome), one.exit_code))
