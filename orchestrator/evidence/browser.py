"""A client that comes by HTTP/2, as browsers and those of gRPC do: all its requests share one connection."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

from orchestrator.evidence.patience import rest
from orchestrator.evidence.streams import Shared, Stream, Unspoken

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from orchestrator.evidence.way import Come, Way
    from orchestrator.evidence.wire import Errand

    Send = Callable[[Errand, Any, Come[Stream]], Awaitable[object]]
    Dawdle = Callable[[Errand, Come[Stream]], Awaitable[None]]

UNSPOKEN = "who serves TLS at the public door has no HTTP/2, which gRPC needs"
GAPS = (0.2, 0.5, 1.0)  # seconds between two requests, of as many that go on at once
CALL_GAPS = (0.1, 0.2, 0.5, 1.0)  # the same, of one that nobody else comes beside


class Browser:
    """Keeps one connection for each host, and another one only where the gateway ends it."""

    def __init__(self, way: Way, ended: Callable[[str, float, str], None]) -> None:
        """Come that way; `ended` is told of a host, the idle seconds and how its connection ended."""
        self._way, self._ended = way, ended
        self.unspoken: str | None = None  # that somebody has no HTTP/2
        self._open: dict[str, Shared] = {}
        self._opening: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def browse(
        self, errands: Sequence[Errand], send: Send, dawdle: Dawdle, over: asyncio.Event
    ) -> None:
        """Send requests, several at once and one that is half-sent, until it is over.

        Where the gateway has no HTTP/2, none is sent.
        """
        slow = [errand for errand in errands if errand.body][:1]
        async with asyncio.TaskGroup() as clients:
            for position, gap in enumerate(CALL_GAPS if errands[0].call else GAPS):
                turns = islice(cycle(errands), position, None)
                clients.create_task(_until_unspoken(self._surf(turns, gap, send, over)))
            for errand in slow:
                clients.create_task(_until_unspoken(dawdle(errand, self.come)))

    async def _surf(
        self, errands: Iterator[Errand], gap: float, send: Send, over: asyncio.Event
    ) -> None:
        """Send one after the other; the last one once it is over."""
        for errand in errands:
            last = over.is_set()
            await send(errand, "http2", self.come)
            if last:
                return
            await rest(gap, over)

    async def come(self, host: str) -> Stream:
        """Begin a request. Raises Lost where the gateway is not there, Unspoken where it has no HTTP/2."""
        async with self._opening[host]:
            self._look(host)
            if host not in self._open:
                try:
                    self._open[host] = await self._connect(host)
                except Unspoken:
                    self.unspoken = UNSPOKEN
                    raise
            return Stream(self._open[host])

    async def _connect(self, host: str) -> Shared:
        """Connect with TLS where the host is served so; without, it is known to speak HTTP/2."""
        secure = self._way.secure
        if secure is not None and secure.serves(host):
            return await Shared.open(secure, host)
        return await Shared.open_plainly(self._way.address)

    def close(self) -> None:
        """Close what is open."""
        for host in [*self._open]:
            self._look(host)
        for shared in self._open.values():
            shared.close()

    def _look(self, host: str) -> None:
        """Tell of a connection that takes no more requests, and forget it: it ends with its last answer."""
        shared = self._open.get(host)
        if shared is not None and not shared.usable:
            del self._open[host]
            self._ended(host, shared.idle, shared.leaving or "without a word")


async def _until_unspoken(client: Awaitable[None]) -> None:
    with suppress(Unspoken):
        await client
