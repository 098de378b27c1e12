"""One connection to the public listener: requests as bytes, and no second try of any of them."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import h11

from orchestrator import grpc
from orchestrator.evidence.secure import HTTP1, SecureDoor, make_context, name_host
from orchestrator.stack.calls import WitnessCall

if TYPE_CHECKING:
    from orchestrator.stack.model import WitnessRequest
    from orchestrator.stack.quantities import Address

SLOW_PIECES = 10  # bytes at the end of a slow request that are sent one by one
CHUNK = 65536
LONGEST_HEAD = 128 * 1024  # bytes: more than the gateway passes on

Pause = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Errand:
    """A request as bytes on the wire."""

    method: str
    path: str
    host: str
    body: bytes
    expect: int | None  # None: what the service answered to the first of them
    token: str
    name: str  # the method, the host where it matters, and the path
    call: bool = False  # whether it is one of gRPC

    @cached_property
    def head(self) -> h11.Request:
        """Return its request line and headers."""
        return self.name_as("")

    def name_as(self, name: str) -> h11.Request:
        """Return its request line and headers, with a name for the gateway's log unless that is empty."""
        headers = [("Host", self.host), *introduce(self.token)]
        if name:
            headers += [("X-Request-ID", name)]
        if self.call:
            headers += grpc.HEADERS.items()
            return h11.Request(method=self.method, target=self.path, headers=headers)
        if self.body:
            headers += [("Content-Type", "application/json")]
        if self.body or self.method in ("POST", "PUT", "PATCH"):
            headers += [("Content-Length", str(len(self.body)))]
        return h11.Request(method=self.method, target=self.path, headers=headers)


def to_errand(request: WitnessRequest, host: str, token: str) -> Errand:
    """Return a request of stack.yaml as bytes on the wire; `host` is that of one that names none."""
    call = isinstance(request, WitnessCall)
    body = b"" if request.body is None else json.dumps(request.body).encode()
    return Errand(
        request.method,
        request.path,
        request.host or host,
        request.message if isinstance(request, WitnessCall) else body,
        request.expect,
        token,
        name=request.name,
        call=call,
    )


def introduce(token: str) -> list[tuple[str, str]]:
    """Return the headers that tell a witness from a user.

    Whoever has a token that the gateway knows is not counted by its limits.
    """
    return [("X-Stackctl-Witness", token), ("User-Agent", "stackctl-witness")]


class Lost(Exception):
    """A request that was sent and got no answer."""

    refused = False  # whether whoever was asked says that nobody has looked at it


class Ear(asyncio.StreamReader):
    """Knows at once when the other side has hung up, also while nobody reads."""

    def __init__(self) -> None:
        super().__init__()
        self.gone = asyncio.Event()

    def feed_eof(self) -> None:
        """Note that nothing more comes."""
        super().feed_eof()
        self.gone.set()

    def set_exception(self, exc: Exception) -> None:
        """Note that nothing more comes, since it broke."""
        super().set_exception(exc)
        self.gone.set()


async def dial(address: Address) -> tuple[Ear, asyncio.StreamWriter]:
    """Connect without TLS. Raises Lost where nobody listens."""
    loop = asyncio.get_running_loop()
    reader = Ear()
    protocol = asyncio.StreamReaderProtocol(reader)
    try:
        transport, _ = await loop.create_connection(lambda: protocol, *address)
    except OSError as error:
        raise Lost(f"connection refused: {error.strerror}") from error
    return reader, asyncio.StreamWriter(transport, protocol, reader, loop)


async def dial_securely(
    door: SecureDoor, host: str, protocols: tuple[str, ...]
) -> tuple[Ear, asyncio.StreamWriter]:
    """Connect and shake hands, and offer these protocols, the best one first.

    Raises Lost where the gateway shows none of its certificates.
    """
    loop = asyncio.get_running_loop()
    reader = Ear()
    ears = asyncio.StreamReaderProtocol(reader)
    try:
        transport, _ = await loop.create_connection(
            lambda: ears,
            *door.address,
            ssl=make_context(protocols, trusted=door.trusted),
            server_hostname=name_host(host),
        )
    except OSError as error:
        raise Lost(f"no TLS: {error.strerror or error}") from error
    shown = transport.get_extra_info("ssl_object").getpeercert(binary_form=True)
    if not door.knows(host, shown or b""):
        transport.abort()
        raise Lost("the certificate is not one that this gateway has for the host")
    return reader, asyncio.StreamWriter(transport, ears, reader, loop)


class Connection:
    """One connection to the public listener, in HTTP/1.1, without any second try."""

    def __init__(self, reader: Ear, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.gone = reader.gone  # set once the other side has closed it
        self.decided = 0.0  # monotonic time just before the head of the last request was complete
        self.quiet_since = time.monotonic()
        self._state = h11.Connection(h11.CLIENT, max_incomplete_event_size=LONGEST_HEAD)

    @classmethod
    async def open(
        cls, address: Address, host: str = "", secure: SecureDoor | None = None
    ) -> Connection:
        """Connect, by the `secure` door where that serves the host. Raises Lost where nobody listens."""
        if secure is not None and secure.serves(host):
            return cls(*await dial_securely(secure, host, HTTP1))
        return cls(*await dial(address))

    @property
    def port(self) -> int:
        """Return the port that it comes from."""
        number: int = self.writer.get_extra_info("sockname")[1]
        return number

    @property
    def closed(self) -> bool:
        """Whether the other side has closed it, as a client can tell before it sends."""
        return self.gone.is_set() or self.writer.transport.is_closing()

    @property
    def idle(self) -> float:
        """Return the seconds since the last answer."""
        return time.monotonic() - self.quiet_since

    def fresh(self, longest: float) -> Connection | None:
        """Return it; close it if it has idled for more seconds: the gateway may be closing it just now."""
        if self.idle <= longest:
            return self
        self.close()
        return None

    async def ask(
        self, errand: Errand, pause: Pause | None = None, name: str = ""
    ) -> tuple[int, str]:
        """Send a request, its last bytes one by one with a `pause` before each.

        The gateway's log has it under its `name`, where it has one.

        Returns the status and who served. Raises Lost where the connection ends before the answer.
        """
        try:
            await self._send(errand, pause, name)
            return await self._receive()
        except (OSError, h11.ProtocolError) as error:
            raise Lost(f"connection closed: {error}") from error

    async def upgrade(
        self, path: str, host: str, headers: Sequence[tuple[str, str]]
    ) -> tuple[int, dict[str, str]]:
        """Ask for another protocol: return the status and the headers; the rest is still unread.

        Raises Lost where the connection ends before the answer.
        """
        wanted = [("Host", host), ("Connection", "Upgrade"), *headers]
        request = h11.Request(method="GET", target=path, headers=wanted)
        try:
            self.writer.write(self._state.send(request) or b"")
            self.writer.write(self._state.send(h11.EndOfMessage()) or b"")
            self._state.receive_data(await self.reader.readuntil(b"\r\n\r\n"))
            answer = self._state.next_event()
        except asyncio.IncompleteReadError as error:
            raise Lost("connection closed without an answer") from error
        except (OSError, h11.ProtocolError, asyncio.LimitOverrunError) as error:
            raise Lost(f"connection closed: {error}") from error
        if not isinstance(answer, h11.Response | h11.InformationalResponse):
            raise Lost("the answer is no HTTP")
        told = {name.decode(): value.decode("latin-1") for name, value in answer.headers}
        return answer.status_code, told

    @property
    def reusable(self) -> bool:
        """Whether another request may follow on it, unless it is closed meanwhile."""
        return self._state.our_state is h11.DONE and self._state.their_state is h11.DONE

    def recycle(self) -> None:
        """Make ready for the next request."""
        self._state.start_next_cycle()

    def close(self) -> None:
        """Close it; by TLS without a goodbye, whose answer nobody would wait for at the witness's end."""
        if self.writer.get_extra_info("ssl_object") is None:
            self.writer.close()
        else:
            self.writer.transport.abort()

    async def _send(self, errand: Errand, pause: Pause | None, name: str) -> None:
        wire = self._state.send(errand.name_as(name) if name else errand.head) or b""
        head = len(wire)
        if errand.body:
            wire += self._state.send(h11.Data(data=errand.body)) or b""
        wire += self._state.send(h11.EndOfMessage()) or b""
        held_back = SLOW_PIECES if pause else 0
        pieces = [0, *range(len(wire) - held_back, len(wire) + 1)]
        for start, end in pairwise(pieces):
            if pause and start:
                await pause()
            if self.writer.transport.is_closing():
                return  # who has hung up gets no more; an answer of theirs may still be read
            if start < head <= end:
                self.decided = time.monotonic()
            self.writer.write(wire[start:end])
        await self.writer.drain()

    async def _receive(self) -> tuple[int, str]:
        status, served = 0, ""
        while True:
            event = self._state.next_event()
            if event is h11.NEED_DATA:
                received = await self.reader.read(CHUNK)
                if not received and not status:
                    raise Lost("connection closed without an answer")
                self._state.receive_data(received)
            elif isinstance(event, h11.Response):
                status = event.status_code
                served = dict(event.headers).get(b"x-stackctl-served", b"").decode("latin-1")
            elif isinstance(event, h11.EndOfMessage):
                self.quiet_since = time.monotonic()
                return status, served
