"""A process in a fake container that answers every line with a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.errors import EngineError

if TYPE_CHECKING:
    from tests.fakes.box import Box
    from tests.fakes.engine import FakeEngine


class FakeConversation:
    """A shell that moves a config link to what it is told; any other process is an echo."""

    def __init__(self, engine: FakeEngine, box: Box, argv: tuple[str, ...]) -> None:
        self._engine = engine
        self._box = box
        self._argv = argv
        self._begun = box.started
        self._open = True

    def ask(self, line: str) -> str:
        """Send a line and return the answer; a process that is gone gives none."""
        with self._engine.called("ask", self._box.id):
            if not self._open or self._box.state != "running" or self._box.started != self._begun:
                raise EngineError("the process in the container has ended")
            return self._move_link(line) if "ln -s" in " ".join(self._argv) else line

    def close(self) -> None:
        """End it."""
        self._open = False

    def _move_link(self, identity: str) -> str:
        *_, folder = self._argv
        disk, inside = self._box.find(folder)
        self._engine.host.changed(f"point to {identity}", self._box.spec.name)
        disk.link(inside / "current", identity)
        return identity
