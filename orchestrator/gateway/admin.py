"""The gateway's admin listener, as seen from the host that runs the engine."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.asking import Answer, Unanswered, ask

if TYPE_CHECKING:
    from orchestrator.stack.quantities import Address

Ask = Callable[[str, float], Answer]  # a path, and the seconds to wait for its answer

UPSTREAM = "X-Stackctl-Upstream"  # on a preview: the address of the replica that answered
PATIENCE = 2.0  # seconds for an answer that NGINX gives by itself


class Connections(NamedTuple):
    """What NGINX counts of its clients (`stub_status`)."""

    open: int
    requests: int


class Admin:
    """Asks over fresh connections only: a kept one may belong to a worker of an older config."""

    def __init__(self, address: Address, ask: Ask | None = None) -> None:
        self._ask = ask or partial(_ask, address)

    def serving(self) -> str | None:
        """Return the id of the config that NGINX serves; None where it does not answer."""
        try:
            document = self._ask("/release", PATIENCE).json()
        except (Unanswered, ValueError):
            return None
        return str(document.get("config")) if isinstance(document, dict) else None

    def refuses(self) -> bool:
        """Whether NGINX answers, but takes us for somebody else than the host that it runs on."""
        try:
            return self._ask("/release", PATIENCE).status == HTTPStatus.FORBIDDEN
        except Unanswered:
            return False

    def config(self) -> str:
        """Return the config that NGINX serves, as text; empty where it does not answer."""
        return self._text("/config")

    def current(self) -> str:
        """Return the config that NGINX would start with; empty where it does not answer."""
        return self._text("/current")

    def connections(self) -> Connections | None:
        """Return NGINX's own counters; None where it does not answer."""
        try:
            text = self._ask("/connections", PATIENCE).text
        except Unanswered:
            return None
        numbers = [int(number) for number in re.findall(r"\d+", text)]
        return Connections(numbers[0], numbers[3]) if len(numbers) > 3 else None

    def probe(self, replica: str, port: int, path: str, timeout: float) -> Answer:
        """Ask one replica directly. Raises Unanswered where no answer comes in time."""
        return self._ask(f"/probe/{replica}:{port}{path}", timeout)

    def preview(self, service: str, path: str, timeout: float) -> Answer:
        """Ask a staged candidate the way that traffic will take. Raises Unanswered."""
        return self._ask(f"/preview/{service}{path}", timeout)

    def _text(self, path: str) -> str:
        try:
            answer = self._ask(path, PATIENCE)
        except Unanswered:
            return ""
        return answer.text if answer.good else ""


def _ask(address: Address, path: str, timeout: float) -> Answer:
    return ask(address.host, address.port, path, timeout)
