"""The gateway as seen from the host that runs the engine: its admin listener, and the public door."""

from __future__ import annotations

import re
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.asking import Answer, Ask, Unanswered, ask_once, has_address
from orchestrator.gateway.lane import parse_lane

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.gateway.lane import Lane
    from orchestrator.gateway.outside import Outside
    from orchestrator.stack.model import Color
    from orchestrator.stack.quantities import Address

# Inside of the gateway's container; stack.yaml says where the host publishes the first two.
PUBLIC_PORT, ADMIN_PORT, INNER_PORT = 8080, 8081, 80  # the last for what calls services by name
TLS_PORT = 8443
LOOPBACK = "127.0.0.1"
UPSTREAM = "X-Stackctl-Upstream"  # on a preview: the address of the replica that answered
BUSY = "X-Stackctl-Busy"
WITNESS = {"X-Stackctl-Witness": "1"}  # whoever asks with it is told who answered
SERVED = "X-Stackctl-Served"
NOWHERE = "none"
CLOSED = "closed"  # as who has served, of a service that takes no requests for now
PAUSED = "paused"  # the same, of one that somebody has paused
ASSETS = "assets"  # as who has served, of a file that the gateway has kept
UNREACHED = "it takes no connections yet"  # the template's answer where a probe reaches nobody
UNSPOKEN = (
    "it does not speak HTTP/2"  # and where it gets no answer in that from who was to speak it
)
NOBODY = "PASSED"  # what NGINX says where one more request would be the only one
UNCONNECTED = ("ConnectError", "ConnectTimeout")  # as far as a question came
PATIENCE = 2.0  # seconds for an answer that NGINX gives by itself
# Seconds for one that a service gives: where its replicas are gone, NGINX tries four times to reach one.
PATIENCE_WITH_SERVICES = 8.0
LARGEST_DOCUMENT = 64 * 1024**2  # bytes; a config has a block for each route and each replica


class Connections(NamedTuple):
    """What NGINX counts of its clients (`stub_status`)."""

    open: int
    requests: int


class Admin:
    """Asks over fresh connections only: a kept one may belong to a worker of an older config."""

    def __init__(
        self,
        address: Address,
        door: Address,
        ask: Ask = ask_once,
        has: Callable[[str], bool] = has_address,
        inside: Ask | None = None,
        outside: Outside | None = None,
    ) -> None:
        """Take the two addresses; `inside` asks from inside of the gateway's container.

        `outside` asks at the public door, where a proxy leads there.
        With `inside`, the engine is on another machine, and the admin address on a loopback that is not ours.
        """
        self.has = has  # whether the machine that asks has an address
        self.afar = inside is not None
        self._ask = partial(inside, (LOOPBACK, ADMIN_PORT)) if inside else partial(ask, address)
        self._inside, self._outside = inside, outside
        self._door = door.reachable
        self._knock = ask

    def serving(self) -> str | None:
        """Return the id of the config that NGINX serves; None where it does not answer."""
        try:
            document = self._ask("/serving", PATIENCE).json()
        except (Unanswered, ValueError):
            return None
        return str(document.get("config")) if isinstance(document, dict) else None

    def refuses(self) -> bool:
        """Whether NGINX answers, but takes us for somebody else than the host that it runs on."""
        try:
            return self._ask("/serving", PATIENCE).status == HTTPStatus.FORBIDDEN
        except Unanswered:
            return False

    def refused(self) -> bool:
        """Whether nobody takes connections at the admin address, as it is seen from here."""
        try:
            self._ask("/serving", PATIENCE)
        except Unanswered as error:
            return str(error) in UNCONNECTED
        return False

    def config(self) -> str:
        """Return the config that NGINX serves, as text; empty where it does not answer."""
        return self._text("/config")

    def current(self) -> str:
        """Return the config that NGINX would start with; empty where it does not answer."""
        return self._text("/current")

    def lane(self, service: str) -> Lane | None:
        """Return who gets a service's traffic, read through the link; None where nobody does."""
        return parse_lane(self._text(f"/lane/{service}"))

    def lanes(self) -> dict[str, Lane]:
        """Return all lanes at once; a service whose link leads nowhere has none."""
        found = (line.partition(" ") for line in self._text("/lanes").split("\n"))
        read = {service: parse_lane(text) for service, _, text in found if text.strip()}
        return {service: lane for service, lane in read.items() if lane is not None}

    def busy(self, upstream: str) -> bool:
        """Whether anybody who has decided for a color is unfinished, or cannot be told."""
        try:
            return self._ask(f"/busy/{upstream}", PATIENCE).header(BUSY) != NOBODY
        except Unanswered:
            return True

    def connections(self) -> Connections | None:
        """Return NGINX's own counters; None where it does not answer."""
        try:
            text = self._ask("/connections", PATIENCE).text
        except Unanswered:
            return None
        numbers = [int(number) for number in re.findall(r"\d+", text)]
        return Connections(numbers[0], numbers[3]) if len(numbers) > 3 else None

    def probe(
        self,
        replica: str,
        path: str,
        timeout: float,
        headers: Mapping[str, str] = {},
        body: bytes = b"",
    ) -> Answer:
        """Ask one replica, such as `notes-blue-1`, directly. `timeout` is in seconds.

        A `body` is that of a call of gRPC. Raises Unanswered where no answer comes in time.
        """
        return self._call(f"/probe/{replica}{path}", timeout, headers, body)

    def preview(
        self,
        service: str,
        color: Color,
        path: str,
        timeout: float,
        headers: Mapping[str, str] = {},
        body: bytes = b"",
    ) -> Answer:
        """Ask a color the way that traffic will take. Raises Unanswered."""
        return self._call(f"/preview/{service}/{color}{path}", timeout, headers, body)

    def served(self, path: str, host: str | None = None) -> str | None:
        """Return the upstream that a path of the public door leads to; empty where it leads nowhere.

        `host` is by which name it is asked, where it matters.

        None where the door answers and does not say, as where another gateway stands before it.
        """
        headers = WITNESS | ({"Host": host} if host else {})
        try:
            come = self._outside.ask if self._outside else partial(self._knock, self._door)
            said = come(path, PATIENCE_WITH_SERVICES, method="HEAD", headers=headers).header(SERVED)
        except Unanswered:
            return ""
        return "" if said == NOWHERE else said or None

    def opens(self, door: Address | None = None) -> bool:
        """Whether anything is answered at the public door, or at another way to the same listener.

        NGINX answers this by itself, so it does not matter how any service is.
        """
        if door is None and self._outside:
            return not self.find_miss()
        try:
            self._knock(door or self._door, "/", PATIENCE, method="TRACE", headers=WITNESS)
        except Unanswered:
            return False
        return True

    def find_miss(self) -> str:
        """Return why `gateway.url` does not lead to this gateway, in words; empty where it does."""
        if self._outside is None:
            return ""
        return self._outside.find_miss(PATIENCE_WITH_SERVICES, WITNESS)

    def opens_behind(self) -> bool:
        """Whether NGINX answers at its own public door, whatever proxy leads there."""
        return self.opens_inside() if self._inside else self.opens(self._door)

    def opens_inside(self) -> bool:
        """Whether NGINX answers behind the public door; to be asked from afar only."""
        if self._inside is None:
            return False
        try:
            self._inside((LOOPBACK, PUBLIC_PORT), "/", PATIENCE, method="TRACE", headers=WITNESS)
        except Unanswered:
            return False
        return True

    def _call(self, path: str, timeout: float, headers: Mapping[str, str], body: bytes) -> Answer:
        method = "POST" if body else "GET"
        return self._ask(path, timeout, method=method, headers=headers, body=body)

    def _text(self, path: str) -> str:
        try:
            answer = self._ask(path, PATIENCE, largest=LARGEST_DOCUMENT)
        except Unanswered:
            return ""
        return answer.text if answer.good else ""
