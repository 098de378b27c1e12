"""The way to a fake gateway through a door that stacks share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.gateway.admin import SERVED
from orchestrator.gateway.outside import Outside
from orchestrator.stack.arrival import find_name, list_patterns
from orchestrator.stack.url import PublicUrl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.asking import Answer, Ask
    from orchestrator.stack.model import Stack


class WayIn(Outside):
    """Asks by a host of a stack, as `lead_to` has it, without a socket."""

    def __init__(self, stack: Stack, knock: Ask) -> None:
        self._door = stack.gateway.listen.reachable
        host = find_name(list_patterns(stack))
        super().__init__(PublicUrl(secure=False, host=host, port=self._door.port), SERVED)
        self._host, self._knock = host, knock

    def ask(
        self, path: str, timeout: float, *, method: str = "GET", headers: Mapping[str, str] = {}
    ) -> Answer:
        """Ask at the door. Raises Unanswered."""
        named = {"Host": self._host, **headers}
        return self._knock(self._door, path, timeout, method=method, headers=named)
