"""Clients that come by TLS and repeat nothing: over one HTTP/2 connection, and over kept ones of HTTP/1.1."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import TYPE_CHECKING, Self

from orchestrator.certificates.table import NO_CERTIFICATES
from orchestrator.evidence.secure import SecureDoor
from orchestrator.evidence.streams import Refused, Shared, Stream
from orchestrator.evidence.wire import Connection, Lost
from orchestrator.stack.quantities import Address

if TYPE_CHECKING:
    from orchestrator.evidence.way import Line
    from orchestrator.evidence.wire import Errand

BREATH = 0.02  # seconds between two requests of a client
LONGEST = 10.0  # seconds that an answer may take
STREAMS = 8  # at once over the one connection
KEPT = 4  # connections of HTTP/1.1


class AnyDoor(SecureDoor):
    """A door whose certificates change: whatever it shows, its clients come in."""

    @classmethod
    def at(cls, port: int) -> Self:
        """Return the one at a port of this machine."""
        return cls(Address("127.0.0.1", port), NO_CERTIFICATES)

    def serves(self, host: str) -> bool:  # noqa: ARG002
        """Every host."""
        return True

    def knows(self, host: str, certificate: bytes) -> bool:  # noqa: ARG002
        """Any certificate, so long as there is one."""
        return bool(certificate)


class Crowd:
    """What became of the requests of all of them."""

    def __init__(self, door: SecureDoor, errand: Errand, *, moving: bool = False) -> None:
        """With `moving`, clients go on by another connection where they are told so, as by a reload."""
        self.sent: Counter[str] = Counter()  # by protocol
        self.refused = 0  # requests by HTTP/2 at which nobody has looked
        self.failed: list[str] = []
        self.connections: Counter[str] = Counter()
        self._door, self._errand, self._moving = door, errand, moving
        self._shared: Shared | None = None
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
        self._opening = asyncio.Lock()
        shared = await self._share()
        kept = [self._keep() for _ in range(KEPT)]
        streams = [self._stream() for _ in range(STREAMS)]
        self._here.set()
        await asyncio.gather(*kept, *streams)
        if not self._moving and not shared.usable:
            self.failed.append(f"h2: its connection ended {shared.leaving}")
        if self._shared:
            self._shared.close()

    async def _share(self) -> Shared:
        """Return the one connection of HTTP/2; another one, where it has ended and they move."""
        async with self._opening:
            if self._shared is None or (self._moving and not self._shared.usable):
                self._shared = await Shared.open(self._door, self._errand.host)
                self.connections["h2"] += 1
            return self._shared

    async def _stream(self) -> None:
        while not self._over.is_set() and (shared := await self._share()).usable:
            stream = Stream(shared)
            await self._send("h2", stream)
            stream.close()
            await asyncio.sleep(BREATH)

    async def _keep(self) -> None:
        connection = await self._connect()
        while not self._over.is_set():
            answered = await self._send("http/1.1", connection)
            connection = await self._go_on(connection, answered=answered)
            await asyncio.sleep(BREATH)
        connection.close()

    async def _go_on(self, connection: Connection, *, answered: bool) -> Connection:
        """Return what the next request goes over: another connection, where this one has ended."""
        if answered and connection.reusable:
            connection.recycle()
            return connection
        if not (answered and self._moving):
            self.failed.append("http/1.1: its connection ended")
        connection.close()
        return await self._connect()

    async def _connect(self) -> Connection:
        self.connections["http/1.1"] += 1
        return await Connection.open(self._door.address, self._errand.host, self._door)

    async def _send(self, protocol: str, line: Line) -> bool:
        self.sent[protocol] += 1
        try:
            status, _ = await asyncio.wait_for(line.ask(self._errand), LONGEST)
        except Refused as error:
            self.refused += 1
            if not self._moving:
                self.failed.append(f"{protocol}: {error}")
            return False
        except (Lost, TimeoutError) as error:
            self.failed.append(f"{protocol}: {error or 'no answer in time'}")
            return False
        if status != 200:
            self.failed.append(f"{protocol}: status {status}")
        return True
