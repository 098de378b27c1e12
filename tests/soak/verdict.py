"""Whether the end is what the start was: pure."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, TypeVar

from tests.soak import census

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.soak.census import Census
    from tests.soak.command import Ran

Item = TypeVar("Item")
CLI_MEMORY = "memory of `stackctl deploy` at its peak, MiB"
CLI_FILES = "open files of `stackctl deploy` at their peak"
MOST = 10  # releases at either end that are held against each other


@dataclass(frozen=True)
class Limit:
    """How much more the end may be than the start; where both are 0 it must be equal."""

    share: float = 0.0
    least: float = 0.0  # allowed in any case, in the figure's own unit

    def allows(self, start: float, end: float) -> bool:
        """Tell whether the end is near enough to the start."""
        if not self.share and not self.least:
            return end == start
        return end - start <= max(self.share * start, self.least)

    def __str__(self) -> str:
        """Return it in words."""
        if not self.share and not self.least:
            return "equal"
        share = f"{self.share * 100:g} % or " if self.share else ""
        return f"at most {share}{self.least:g} more"


EQUAL = Limit()
LIMITS = {
    census.MEMORY: Limit(0.2, 4),
    census.MASTER_MEMORY: Limit(0.2, 2),
    census.FILES: EQUAL,
    census.WORKERS: EQUAL,
    census.LEAVING: EQUAL,
    census.STORED: EQUAL,
    census.CONTAINERS: EQUAL,
    census.NETWORKS: EQUAL,
    census.VOLUMES: EQUAL,
    census.IMAGES: EQUAL,
    # Of the whole engine: what others do there at the time is counted as well.
    census.ENGINE_IMAGES: Limit(least=10),
    census.ENGINE_FILES: Limit(least=30),
    CLI_MEMORY: Limit(0.1, 4),
    CLI_FILES: Limit(least=3),  # it is looked at only now and then
}


@dataclass(frozen=True)
class Row:
    """A figure at the start and at the end."""

    name: str
    start: float | None
    end: float | None
    limit: Limit

    @property
    def met(self) -> bool | None:
        """Whether the limit is kept; None where there is nothing to hold against it."""
        if self.start is None or self.end is None:
            return None
        return self.limit.allows(self.start, self.end)


def compare(start: Census, end: Census) -> list[Row]:
    """Hold every figure against its limit."""
    return [Row(name, start.get(name), end.get(name), limit) for name, limit in LIMITS.items()]


def measure_commands(deploys: Sequence[Ran]) -> tuple[Census, Census]:
    """Return the figures of the command itself, of the first deploys and of the last."""
    if not deploys:
        return {}, {}
    start, end = ends(deploys)
    return _measure(start), _measure(end)


def ends(items: Sequence[Item]) -> tuple[Sequence[Item], Sequence[Item]]:
    """Return the first and the last few: ten, or half where there are fewer than twenty."""
    few = max(1, min(MOST, len(items) // 2))
    return items[:few], items[-few:]


def _measure(deploys: Sequence[Ran]) -> Census:
    return {
        CLI_MEMORY: median(ran.memory for ran in deploys),
        CLI_FILES: median(ran.files for ran in deploys),
    }
