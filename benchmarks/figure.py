"""A figure of the benchmark: a measured value, what it is measured against, and its goal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Figure:
    """One line of the benchmark's table."""

    name: str
    value: float
    goal: float
    better: Literal["lower", "higher"]
    how: str  # what was divided by what, in absolute numbers

    @property
    def reached(self) -> bool:
        """Whether the goal is met in this run."""
        return self.value <= self.goal if self.better == "lower" else self.value >= self.goal

    def line(self) -> str:
        """Return the figure as a row of the table."""
        sign = "<=" if self.better == "lower" else ">="
        mark = "yes" if self.reached else "NO"
        return f"{self.name:<47} {self.value:>9.2f}   {sign} {self.goal:<6g} {mark:<4} {self.how}"
