"""The gateway's admin listener, as seen from the host that runs the engine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

import httpx

if TYPE_CHECKING:
    from orchestrator.stack.quantities import Address

UPSTREAM = "X-Stackctl-Upstream"  # on a preview: the address of the replica that answered
PATIENCE = 2.0  # seconds for an answer that NGINX gives by itself


class Connections(NamedTuple):
    """What NGINX counts of its clients (`stub_status`)."""

    open: int
    requests: int


class Admin:
    """Asks over fresh connections only: a kept one may belong to a worker of an older config."""

    def __init__(self, address: Address, transport: httpx.BaseTransport | None = None) -> None:
        self._client = httpx.Client(
            base_url=f"http://{address}",
            transport=transport,
            timeout=PATIENCE,
            trust_env=False,  # a proxy of the environment is not on the way to our own loopback
        )

    def serving(self) -> str | None:
        """Return the id of the config that NGINX serves; None where it does not answer."""
        try:
            document = self._client.get("/release").json()
        except (httpx.TransportError, ValueError):
            return None
        return str(document.get("config")) if isinstance(document, dict) else None

    def refuses(self) -> bool:
        """Whether NGINX answers, but takes us for somebody else than the host that it runs on."""
        try:
            return self._client.get("/release").status_code == httpx.codes.FORBIDDEN
        except httpx.TransportError:
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
            text = self._client.get("/connections").text
        except httpx.TransportError:
            return None
        numbers = [int(number) for number in re.findall(r"\d+", text)]
        return Connections(numbers[0], numbers[3]) if len(numbers) > 3 else None

    def probe(self, replica: str, port: int, path: str, timeout: float) -> httpx.Response:
        """Ask one replica directly. Raises httpx.TransportError where no answer comes in time."""
        return self._client.get(f"/probe/{replica}:{port}{path}", timeout=timeout)

    def preview(self, service: str, path: str, timeout: float) -> httpx.Response:
        """Ask a staged candidate the way that traffic will take. Raises httpx.TransportError."""
        return self._client.get(f"/preview/{service}{path}", timeout=timeout)

    def _text(self, path: str) -> str:
        try:
            answer = self._client.get(path)
        except httpx.TransportError:
            return ""
        return answer.text if answer.is_success else ""
