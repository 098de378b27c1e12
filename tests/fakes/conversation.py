"""A process in a fake container that answers every line with a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import EngineError
from tests.fakes.disk import join

if TYPE_CHECKING:
    from tests.fakes.box import Box
    from tests.fakes.disk import Disk
    from tests.fakes.engine import FakeEngine

MARKS = {"close": "closed", "pause": "paused"}  # files beside a lane
ALL_GET = {"0": "blue", "100": "green"}  # the color, by the percentage that gets green


class FakeConversation:
    """The shell that moves the gateway's links as it is told; any other process is an echo."""

    def __init__(self, engine: FakeEngine, box: Box, argv: tuple[str, ...]) -> None:
        self._engine = engine
        self._box = box
        self._argv = argv
        self._begun = box.started
        self._open = True

    def ask(self, line: str, within: float = 10.0) -> str:  # noqa: ARG002
        """Send a line and return the answer; a process that is gone gives none."""
        with self._engine.called("ask", self._box.id):
            if not self._open or self._box.state != "running" or self._box.started != self._begun:
                raise EngineError("the process in the container has ended")
            return self._act(line) if "ln -s" in " ".join(self._argv) else line

    def close(self) -> None:
        """End it."""
        self._open = False

    def _act(self, line: str) -> str:
        disk, inside = self._box.find(self._argv[-1])
        what, first, *rest = line.split(" ", 4)
        if self._engine.host.habits.keeps_links:
            return "done"
        self._engine.host.changed(" ".join(line.split(" ", 3)[:3]), self._box.spec.name)
        if what == "admit":
            disk.put(join(inside, "witnesses", first), "")
        elif what == "current":
            disk.link(join(inside, "current"), first)
        elif what == "drop":
            disk.remove(join(inside, "live", first))
            disk.remove(join(inside, "moves", first))
        else:
            move(disk, inside, first, *rest)
            if mark := MARKS.get(what) or ALL_GET.get(rest[1]):
                disk.put(join(inside, "moves", first, rest[0], mark), "")
        return "done"


def move(disk: Disk, inside: str, service: str, name: str, green: str, lane: str) -> None:
    """Let another lane decide, as the shell does."""
    target = f"../moves/{service}/{name}"
    if disk.target(join(inside, "live", service)) == target:
        return
    share = join(inside, "shares", green)
    disk.make(share)
    for bucket in range(int(green)):
        disk.put(join(share, str(bucket)), "")
    at = join(inside, "moves", service, name)
    disk.make(at)
    disk.put(join(at, "lane.json"), f"{lane}\n")
    disk.link(join(at, "share"), f"../../../shares/{green}")
    disk.link(join(inside, "live", service), target)
