"""What came of one story of the fault suite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.evidence.samples import Sample


@dataclass(frozen=True)
class Account:
    """A fault, what was seen, and what was not as it should be."""

    name: str
    seen: str
    sent: int
    lost: int
    problems: tuple[str, ...]

    def __str__(self) -> str:
        """Return it in a line, and each problem in one more."""
        word = "FAILED  " if self.problems else "survived"
        return "\n           ".join([f"{word} {self.name}: {self.seen}", *self.problems])


def give_account(
    name: str, seen: str, samples: Sequence[Sample], checks: dict[str, bool]
) -> Account:
    """Return an account; `checks` says what must be, and whether it is. A lost request is a problem."""
    lost = [sample for sample in samples if sample.lost is not None]
    problems = [text for text, holds in checks.items() if not holds]
    problems += [f"lost: {sample.request}: {sample.lost}" for sample in lost]
    return Account(name, seen, len(samples), len(lost), tuple(problems))
