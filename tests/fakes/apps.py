"""How the programs in fake containers behave, as plain data."""

from __future__ import annotations

import json
from dataclasses import dataclass

NEVER = float("inf")


@dataclass(frozen=True)
class App:
    """One program: it prints some lines and listens on a port."""

    port: int = 8000
    ready_after: float = 0.05  # seconds from its start until it listens
    healthy_after: float = 0.0  # seconds from its start until its health is good
    crashes: bool = False  # at once, at every start
    ends: int | None = None  # with this exit code, at once
    answers: str | None = None  # the version that it says it is; None: the one it was built as
    flaps: bool = False  # every other answer is an error
    prints: tuple[str, ...] = ("started",)
    last_words: tuple[str, ...] = ()  # when it is asked to stop

    def health(self, version: str, age: float, asked: int) -> tuple[int, str]:
        """Return the status and the body of its health page at an age in seconds."""
        good = age >= self.healthy_after and not (self.flaps and asked % 2)
        body = {"version": self.answers or version, "status": "ok" if good else "starting"}
        return 200 if good else 503, json.dumps(body)
