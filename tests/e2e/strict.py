"""Clients that come by TLS and repeat nothing: over one HTTP/2 connection, and over kept ones of HTTP/1.1."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import TYPE_CHECKING, Self

from orchestrator.evidence.streams import Shared, Stream
from orchestrator.evidence.wire import Connection, Lost

if TYPE_CHECKING:
    from orchestrator.evidence.secure import SecureDoor
    from orchestrator.evidence.way import Line
    from orchestrator.evidence.wire import Errand

BREATH = 0.02  # seconds between two requests of a client
LONGEST = 10.0  # seconds that an answer may take
STREAMS = 8  # at once over the one connection
KEPT = 4  # connections of HTTP/1.1


class Crowd:
    """What became of the requests of all of them."""

    def __init__(self, door: SecureDoor, errand: Errand) -> None:
        self.sent: Counter[str] = Counter()  # by protocol
        self.failed: list[str] = []
        self.connections: Counter[str] = Counter()
        self._door, self._errand = door, errand
        self._over = threading.Event()
        self._here = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._ask()))

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._here.wait(LONGEST)
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    async def _ask(self) -> None:
        shared = await Shared.open(self._door, self._errand.host)
        self.connections["h2"] += 1
        kept = [self._keep() for _ in range(KEPT)]
        streams = [self._stream(shared) for _ in range(STREAMS)]
        self._here.set()
        await asyncio.gather(*kept, *streams)
        if shared.leaving or shared.closed:
            self.failed.append(f"h2: its connection ended {shared.leaving}")
        shared.close()

    async def _stream(self, shared: Shared) -> None:
        while not self._over.is_set() and shared.usable:
            stream = Stream(shared)
            await self._send("h2", stream)
            stream.close()
            await asyncio.sleep(BREATH)

    async def _keep(self) -> None:
        connection = await self._connect()
        while not self._over.is_set():
            if not await self._send("http/1.1", connection) or not connection.reusable:
                self.failed.append("http/1.1: its connection ended")
                connection.close()
                connection = await self._connect()
            else:
                connection.recycle()
            await asyncio.sleep(BREATH)
        connection.close()

    async def _connect(self) -> Connection:
        self.connections["http/1.1"] += 1
        return await Connection.open(self._door.address, self._errand.host, self._door)

    async def _send(self, protocol: str, line: Line) -> bool:
        self.sent[protocol] += 1
        try:
            status, _ = await asyncio.wait_for(line.ask(self._errand), LONGEST)
        except (Lost, TimeoutError) as error:
            self.failed.append(f"{protocol}: {error or 'no answer in time'}")
            return False
        if status != 200:
            self.failed.append(f"{protocol}: status {status}")
        return True
