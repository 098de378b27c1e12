"""How a witness comes to the public door, and whether that way was cut."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from itertools import count
from typing import TYPE_CHECKING, Protocol, TypeVar

from orchestrator.evidence.wire import Connection, Errand, Pause

if TYPE_CHECKING:
    from orchestrator.evidence.secure import SecureDoor
    from orchestrator.stack.quantities import Address


class Line(Protocol):
    """What a request goes over: a connection of its own, or a part of one."""

    decided: float  # monotonic time just before the head of the last request was complete

    @property
    def port(self) -> int:
        """Return the port here."""

    @property
    def idle(self) -> float:
        """Return the seconds since the last answer."""

    @property
    def closed(self) -> bool:
        """Whether the other side has closed it."""

    @property
    def reusable(self) -> bool:
        """Whether another request may follow on it."""

    async def ask(
        self, errand: Errand, pause: Pause | None = None, name: str = ""
    ) -> tuple[int, str]:
        """Send a request; return the status and who served. Raises Lost."""

    def recycle(self) -> None:
        """Make ready for the next request."""

    def close(self) -> None:
        """Close it."""


LineT = TypeVar("LineT", bound=Line)
Come = Callable[[str], Awaitable[LineT]]  # by the host


class Way:
    """One for all clients of a witness."""

    def __init__(
        self,
        address: Address,
        secure: SecureDoor | None = None,
        cut: Callable[[int], bool] | None = None,
    ) -> None:
        """Take where it leads; `cut` says of a connection, by the port here, whether it was cut on its way.

        Without that nothing is between: who hangs up is the gateway.
        """
        self.address, self.secure, self._cut = address.reachable, secure, cut
        self._names = (f"{secrets.token_hex(8)}-{number}" for number in count())
        self.host = (secure and secure.host) or str(self.address)  # of a request that names none

    @property
    def own_secure(self) -> SecureDoor | None:
        """Return the door for TLS where that is the gateway's own: a proxy in front speaks for itself."""
        return None if self.secure is None or self.secure.trusted else self.secure

    async def open(self, host: str) -> Connection:
        """Connect, as clients of that host do. Raises Lost where nobody listens."""
        return await Connection.open(self.address, host, self.secure)

    def name_request(self) -> str:
        """Return a name by which the gateway's log knows a request; empty where none is needed."""
        return next(self._names) if self._cut else ""

    async def was_cut(self, connection: Line | None) -> bool:
        """Whether a connection that has ended, or over which no answer comes, was cut on its way.

        To be asked before it is closed here; it may take some seconds.
        """
        if self._cut is None or connection is None:
            return False
        return await asyncio.to_thread(self._cut, connection.port)
