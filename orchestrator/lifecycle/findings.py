"""What `up` tells at its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.events import Recovered

if TYPE_CHECKING:
    from orchestrator.release.house import House


@dataclass
class Findings:
    """What is to be warned of, and what was put right."""

    warnings: list[str] = field(default_factory=list)
    mended: list[str] = field(default_factory=list)


def tell_mended(house: House, findings: Findings, text: str) -> None:
    """Say what was put right, now and at the end."""
    house.emit(Recovered(text))
    findings.mended.append(text)
