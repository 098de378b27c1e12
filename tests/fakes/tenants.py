"""Stacks behind one shared door, on fakes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.asking import Unanswered
from tests.fakes.wire import ask_by
from tests.fakes.world import NOTES, World

if TYPE_CHECKING:
    from pathlib import Path

DOOR = "stackctl.door-gateway"


class Tenant(World):
    """A stack behind the shared door, of a host of its own; others may be on the same machine."""

    def __init__(self, folder: Path, name: str, admin: int, beside: World | None = None) -> None:
        folder.mkdir()
        route: dict[str, Any] = {"path": "/", "host": f"{name}.example"}
        gateway = {
            "image": "nginx:1.30",
            "drain_timeout": "5s",
            "door": True,
            "admin": f"127.0.0.1:{admin}",
        }
        service = {**NOTES, "routes": [route], "witness": []}
        super().__init__(folder, name=name, gateway=gateway, services={"notes": service})
        if beside is not None:
            self.clock, self.host, self.engine = beside.clock, beside.host, beside.engine
        self.name = name

    def answers(self) -> bool:
        """Whether clients get to its gateway through the door."""
        headers = {"Host": f"{self.name}.example", "X-Stackctl-Witness": "1"}
        try:
            answer = ask_by(self.host.listen)(("127.0.0.1", 80), "/", 1, headers=headers)
        except Unanswered:
            return False
        return answer.good
