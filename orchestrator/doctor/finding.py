"""What a check has found: a verdict, what was seen, and what to do about it. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Verdict(StrEnum):
    """How it is; what could not be looked at is never called good."""

    OK = "ok"
    UNKNOWN = "unknown"
    WARNING = "warning"  # releases work, and something may surprise
    FAULT = "fault"  # `up` or a release would fail


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's."""

    check: str  # what was looked at, in a word or two
    verdict: Verdict
    text: str
    mend: str = ""  # in the imperative; empty where nothing is to be done

    def reword(self, change: Callable[[str], str]) -> Finding:
        """Return the same in other words."""
        return replace(self, text=change(self.text), mend=change(self.mend))

    def facts(self) -> dict[str, Any]:
        """Return it for scripts."""
        return asdict(self)


def approve(check: str, text: str) -> Finding:
    """Say that something is as it should be."""
    return Finding(check, Verdict.OK, text)


def doubt(check: str, text: str, mend: str = "") -> Finding:
    """Say that something could not be looked at."""
    return Finding(check, Verdict.UNKNOWN, text, mend)


def warn(check: str, text: str, mend: str) -> Finding:
    """Say that something may surprise."""
    return Finding(check, Verdict.WARNING, text, mend)


def fault(check: str, text: str, mend: str) -> Finding:
    """Say that something stands in the way."""
    return Finding(check, Verdict.FAULT, text, mend)


def find_worst(findings: Sequence[Finding]) -> Verdict:
    """Return the gravest verdict of all."""
    order = [*Verdict]
    return max((each.verdict for each in findings), key=order.index, default=Verdict.OK)
