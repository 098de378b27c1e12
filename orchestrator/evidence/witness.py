"""The witness: clients that run beside a release and see what users would see.

They are stricter than a load generator. A kept connection is never retried: where it closes after a
request was written, that request is lost, be it a GET or a POST. Their idle gaps run from moments
to just over the announced keep-alive, because that is where reloads lose requests.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle
from typing import TYPE_CHECKING

import h11

from orchestrator.evidence.samples import Client, Figures, Sample, count

if TYPE_CHECKING:
    from orchestrator.stack.model import WitnessRequest
    from orchestrator.stack.quantities import Address

# Many connections and few requests, some twenty a second: what a switch can lose is the request
# that is being written then, or the connection that idles; more of the same proves no more, and
# takes the machine from the candidate that boots.
KEPT_CLIENTS = 20
SHORTEST_IDLE = 0.05  # seconds
BREATH = 1.0  # seconds that a client with shorter gaps idles every other time
FRESH_EVERY = 0.2
SLOW_LASTS = 2.0
SLOW_PIECES = 10  # bytes at the end of a slow request that are sent one by one
PATIENCE = 30.0  # seconds until a request without an answer counts as lost
CHUNK = 65536
HEADER = "X-Stackctl-Witness"

Pause = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Errand:
    """A request as bytes on the wire."""

    method: str
    path: str
    host: str
    body: bytes
    expect: int

    @property
    def name(self) -> str:
        """Return the method and the path."""
        return f"{self.method} {self.path}"

    @cached_property
    def head(self) -> h11.Request:
        """Return its request line and headers."""
        headers = [("Host", self.host), (HEADER, "1"), ("User-Agent", "stackctl-witness")]
        if self.body:
            headers += [("Content-Type", "application/json")]
        if self.body or self.method in ("POST", "PUT", "PATCH"):
            headers += [("Content-Length", str(len(self.body)))]
        return h11.Request(method=self.method, target=self.path, headers=headers)


class Lost(Exception):
    """A request that was sent and got no answer."""


class Connection:
    """One connection to the public listener, in HTTP/1.1, without any second try."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._state = h11.Connection(h11.CLIENT)

    @classmethod
    async def open(cls, address: Address) -> Connection:
        """Connect. Raises Lost where nobody listens."""
        try:
            return cls(*await asyncio.open_connection(*address))
        except OSError as error:
            raise Lost(f"connection refused: {error.strerror}") from error

    @property
    def closed(self) -> bool:
        """Whether the other side has closed it, as a client can tell before it sends."""
        return self._reader.at_eof() or self._writer.transport.is_closing()

    async def ask(self, errand: Errand, pause: Pause | None = None) -> tuple[int, str]:
        """Send a request, its last bytes one by one with a `pause` before each.

        Returns the status and who served. Raises Lost where the connection ends before the answer.
        """
        try:
            await self._send(errand, pause)
            return await self._receive()
        except (OSError, h11.ProtocolError, asyncio.IncompleteReadError) as error:
            raise Lost(f"connection closed: {error}") from error

    @property
    def reusable(self) -> bool:
        """Whether another request may follow on it."""
        return (
            self._state.our_state is h11.DONE and self._state.their_state is h11.DONE
        ) and not self.closed

    def recycle(self) -> None:
        """Make ready for the next request."""
        self._state.start_next_cycle()

    def close(self) -> None:
        """Close it."""
        self._writer.close()

    async def _send(self, errand: Errand, pause: Pause | None) -> None:
        wire = self._state.send(errand.head) or b""
        if errand.body:
            wire += self._state.send(h11.Data(data=errand.body)) or b""
        wire += self._state.send(h11.EndOfMessage()) or b""
        held_back = SLOW_PIECES if pause else 0
        self._writer.write(wire[: len(wire) - held_back])
        for position in range(len(wire) - held_back, len(wire)):
            if pause:
                await pause()
            if self._writer.transport.is_closing():
                return  # who has hung up gets no more; an answer of theirs may still be read
            self._writer.write(wire[position : position + 1])
        await self._writer.drain()

    async def _receive(self) -> tuple[int, str]:
        status, served = 0, ""
        while True:
            event = self._state.next_event()
            if event is h11.NEED_DATA:
                received = await self._reader.read(CHUNK)
                if not received and not status:
                    raise Lost("connection closed without an answer")
                self._state.receive_data(received)
            elif isinstance(event, h11.Response):
                status = event.status_code
                served = dict(event.headers).get(b"x-stackctl-served", b"").decode()
            elif isinstance(event, h11.EndOfMessage):
                return status, served


class Witness:
    """Runs in a thread of its own between `start` and `stop`."""

    def __init__(
        self,
        address: Address,
        requests: Sequence[WitnessRequest],
        keepalive: float,
        on_sample: Callable[[Sample], None],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._address = address.reachable
        self._errands = [self._to_errand(request) for request in requests]
        self._keepalive = keepalive
        self._on_sample = on_sample
        self._now = now  # Unix time, as all else in the record has it
        self._samples: list[Sample] = []
        self._closed_early = 0
        self._failure: str | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._over = asyncio.Event()
        self._running = threading.Event()
        self._thread = threading.Thread(target=self._run, name="witness", daemon=True)

    def start(self) -> None:
        """Begin to send; returns once the clients run."""
        self._thread.start()
        self._running.wait()

    def stop(self) -> Figures:
        """Let what is in flight end, and return the figures."""
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._over.set)
            self._thread.join(PATIENCE + SLOW_LASTS)
        return count(self._samples, self._closed_early, self._failure)

    def _run(self) -> None:
        try:
            asyncio.run(self._testify())
        except Exception as error:  # noqa: BLE001  a witness that breaks must not break the release
            self._failure = f"{type(error).__name__}: {error}"
        finally:
            self._running.set()

    async def _testify(self) -> None:
        self._loop = asyncio.get_running_loop()
        writes = [e for e in self._errands if e.method == "POST"] or self._errands
        reads = [e for e in self._errands if e.method == "GET"] or self._errands
        async with asyncio.TaskGroup() as clients:
            for position, gap in enumerate(idle_gaps(self._keepalive)):
                clients.create_task(self._keep(writes[position % len(writes)], gap))
            clients.create_task(self._come_anew(reads))
            clients.create_task(self._dawdle(writes[0]))
            self._running.set()

    async def _keep(self, errand: Errand, gap: float) -> None:
        """Send over one connection, idling `gap` seconds in between, every other time a breath."""
        connection: Connection | None = None
        idle = 0.0
        for rest in cycle((gap, max(gap, min(BREATH, self._keepalive / 2)))):
            if self._over.is_set():
                break
            if connection is not None and connection.closed:
                self._closed_early += idle < self._keepalive
                connection.close()
                connection = None
            if connection is None:
                idle = 0.0
            connection = await self._send(errand, "keepalive", connection, idle=idle)
            idle = rest
            await self._rest(rest)
        if connection is not None:
            connection.close()

    async def _come_anew(self, errands: Sequence[Errand]) -> None:
        """Send each request over a connection of its own."""
        turn = 0
        while not self._over.is_set():
            connection = await self._send(errands[turn % len(errands)], "fresh", None)
            if connection is not None:
                connection.close()
            turn += 1
            await self._rest(FRESH_EVERY)

    async def _dawdle(self, errand: Errand) -> None:
        """Always have one request half-sent."""
        while not self._over.is_set():
            connection = await self._send(errand, "slow", None, pause=self._linger)
            if connection is not None:
                connection.close()
            await self._rest(SHORTEST_IDLE)

    async def _send(
        self,
        errand: Errand,
        client: Client,
        connection: Connection | None,
        *,
        idle: float = 0.0,
        pause: Pause | None = None,
    ) -> Connection | None:
        """Send once and note what happened; return the connection where it may be used again."""
        at, started = self._now(), time.monotonic()
        status, served, lost = None, "", None
        try:
            async with asyncio.timeout(PATIENCE):
                connection = connection or await Connection.open(self._address)
                status, served = await connection.ask(errand, pause)
            if status != errand.expect:
                lost = f"status {status}, expected {errand.expect}"
        except Lost as error:
            lost = str(error)
        except TimeoutError:
            lost = f"no answer within {PATIENCE:g} s"
        ms = round((time.monotonic() - started) * 1000, 2)
        sample = Sample(at, client, errand.name, round(idle, 3), ms, status, served, lost)
        self._samples.append(sample)
        self._on_sample(sample)
        if connection is not None and status is not None and connection.reusable:
            connection.recycle()
            return connection
        if connection is not None:
            connection.close()
        return None

    async def _linger(self) -> None:
        await self._rest(SLOW_LASTS / SLOW_PIECES)

    async def _rest(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._over.wait(), seconds)
        except TimeoutError:
            return

    def _to_errand(self, request: WitnessRequest) -> Errand:
        body = b"" if request.body is None else json.dumps(request.body).encode()
        return Errand(request.method, request.path, str(self._address), body, request.expect)


def idle_gaps(keepalive: float, clients: int = KEPT_CLIENTS) -> list[float]:
    """Return idle gaps in seconds: evenly in proportion from 0.05 s to just under the keep-alive,
    and one just over it.
    """
    longest = keepalive * 0.98
    ratio = (longest / SHORTEST_IDLE) ** (1 / (clients - 2))
    return [SHORTEST_IDLE * ratio**step for step in range(clients - 1)] + [keepalive * 1.03]
