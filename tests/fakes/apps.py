"""How the programs in fake containers behave, as plain data."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

NEVER = float("inf")


@dataclass(frozen=True)
class App:
    """One program: it prints some lines and listens on a port."""

    port: int = 8000
    ready_after: float = 0.05  # seconds from its start until it listens
    healthy_after: float = 0.0  # seconds from its start until its health is good
    crashes: bool = False  # at once, at every start
    ends: int | None = None  # with this exit code, at once
    bare: bool = False  # its image has no commands
    out_of_memory: bool = False  # it wants more than it may have; where it ends, of that
    listens: str = "0.0.0.0"  # at any other address it is reached by nobody
    answers: str | None = None  # the version that it says it is; None: the one it was built as
    health_port: int = 0  # where its health is answered; 0: on its port
    calls: bool = False  # it answers its health by gRPC
    redirects: str = ""  # its health leads to this place
    flaps: bool = False  # every other answer is an error
    prints: tuple[str, ...] = ("started",)
    files: Mapping[str, str] = field(default_factory=dict)  # of its image: texts by their paths
    last_words: tuple[str, ...] = ()  # when it is asked to stop

    def takes(self, port: int) -> bool:
        """Whether others reach it at a port."""
        return self.listens == "0.0.0.0" and port in (self.port, self.health_port)

    def health(self, version: str, age: float, asked: int) -> tuple[int, str]:
        """Return the status and the body of its health page at an age in seconds."""
        if self.redirects:
            return 302, self.redirects
        good = age >= self.healthy_after and not (self.flaps and asked % 2)
        if self.calls:
            return 200, f"\0\0\0\0\2\x08{chr(1 if good else 2)}"
        body = {"version": self.answers or version, "status": "ok" if good else "starting"}
        return 200 if good else 503, json.dumps(body)
