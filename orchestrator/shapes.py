"""Numbers as shapes of an SVG: scales, ticks, paths. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


class Scale(NamedTuple):
    """Puts values from 0 to `high` between two places."""

    high: float
    start: float
    end: float

    def place(self, value: float) -> float:
        """Return where a value stands; what is outside stands at the nearer end."""
        share = min(max(value / self.high, 0.0), 1.0) if self.high else 0.0
        return round(self.start + share * (self.end - self.start), 2)


class Tick(NamedTuple):
    """A place on an axis and the number there."""

    at: float
    label: str


def choose_ticks(high: float, most: int = 5) -> list[float]:
    """Return round numbers from 0 to at least `high`, no more than `most` after the 0."""
    if high <= 0:
        return [0, 1]
    rough = high / most
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    return [round(step * number, 10) for number in range(math.ceil(high / step - 0.001) + 1)]


def draw_steps(values: Sequence[float], time: Callable[[int], float], scale: Scale) -> str:
    """Return the outline of counts: one level, and one H, a bucket."""
    ground = scale.place(0)
    steps = "".join(
        f"V{scale.place(value):g}H{time(number + 1):g}" for number, value in enumerate(values)
    )
    return f"M{time(0):g} {ground:g}{steps}V{ground:g}"


def draw_trace(values: Sequence[float | None], time: Callable[[int], float], scale: Scale) -> str:
    """Return a line through what there is: one M or L a value, broken where there is none."""
    parts, pen = [], "M"
    for number, value in enumerate(values):
        if value is None:
            pen = "M"
            continue
        middle = (time(number) + time(number + 1)) / 2
        parts.append(f"{pen}{middle:g} {scale.place(value):g}" + ("h0" if pen == "M" else ""))
        pen = "L"
    return "".join(parts)
