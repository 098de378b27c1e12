"""One HTTP/2 connection to the public listener: many requests at once, and no second try of any."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import (
    DataReceived,
    Event,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
    WindowUpdated,
)
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes, Settings

from orchestrator import grpc
from orchestrator.evidence.wire import LONGEST_HEAD, SLOW_PIECES, Lost, dial, dial_securely

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.evidence.secure import SecureDoor
    from orchestrator.evidence.wire import Ear, Errand, Pause
    from orchestrator.stack.quantities import Address

HTTP2 = (
    "h2",
    "http/1.1",
)  # a server that has one of them only ends a handshake that offers the other
HEAD = 9  # bytes of a frame: three of them its length, the fourth its type
GOAWAY = 0x7
LONGEST_FRAME = 16384  # bytes: we announce no more
EVERY_STREAM = 2**31 - 1
UNANSWERED = "connection closed without an answer"


class Unspoken(Exception):
    """The gateway has no HTTP/2 for this host."""


class Refused(Lost):
    """A request that the gateway says it has not looked at: any client may send it again (RFC 9113, 8.7)."""

    refused = True


@dataclass
class Reply:
    """What has come of an answer."""

    whole: asyncio.Future[None]  # done once the answer is, or once it is clear that none comes
    status: int = 0
    served: str = ""
    code: str = ""  # of gRPC; it may come behind the body

    def tell_status(self, *, call: bool) -> int:
        """Return the status; of a call that of gRPC, unless the answer was none of gRPC."""
        return grpc.read_status(self.code) if call and self.status == HTTPStatus.OK else self.status


class Shared:
    """One HTTP/2 connection, kept for as long as the gateway keeps it."""

    def __init__(self, reader: Ear, writer: asyncio.StreamWriter) -> None:
        self.gone = reader.gone  # set once the other side has closed it
        self.leaving = (
            ""  # how the gateway said that it takes no more requests; empty while it does
        )
        self.quiet_since = time.monotonic()  # when the last answer came
        self._reader, self._writer = reader, writer
        self._last = EVERY_STREAM  # what the gateway looks at has no higher number
        self._replies: dict[int, Reply] = {}
        self._room = asyncio.Event()  # there may be more of it, for bodies
        self._state = _make_state()
        self._flush()
        self._ear = asyncio.create_task(self._listen())

    @classmethod
    async def open(cls, door: SecureDoor, host: str) -> Shared:
        """Connect. Raises Lost where the gateway is not there, Unspoken where it has no HTTP/2."""
        reader, writer = await dial_securely(door, host, HTTP2)
        if writer.get_extra_info("ssl_object").selected_alpn_protocol() != HTTP2[0]:
            writer.transport.abort()
            raise Unspoken
        return cls(reader, writer)

    @classmethod
    async def open_plainly(cls, address: Address) -> Shared:
        """Connect without TLS, to who is known to speak HTTP/2. Raises Lost where nobody listens."""
        return cls(*await dial(address))

    @property
    def port(self) -> int:
        """Return the port that it comes from."""
        number: int = self._writer.get_extra_info("sockname")[1]
        return number

    @property
    def closed(self) -> bool:
        """Whether the other side has closed it, as a client can tell before it sends."""
        return self.gone.is_set() or self._writer.transport.is_closing()

    @property
    def usable(self) -> bool:
        """Whether a request may be sent."""
        return not (self.closed or self.leaving)

    @property
    def idle(self) -> float:
        """Return the seconds since the last answer."""
        return time.monotonic() - self.quiet_since

    def begin(self, errand: Errand, name: str) -> tuple[int, Reply]:
        """Send the head of a request; return its stream and what will come of it."""
        head = errand.name_as(name).headers
        told = [(field, value) for field, value in head if field != b"host"]
        scheme = "https" if self._writer.get_extra_info("ssl_object") else "http"
        line = [(":method", errand.method), (":scheme", scheme)]
        line += [(":authority", errand.host), (":path", errand.path)]
        number = self._state.get_next_available_stream_id()
        self._state.send_headers(number, [*line, *told], end_stream=not errand.body)
        self._replies[number] = Reply(asyncio.get_running_loop().create_future())
        self._flush()
        return number, self._replies[number]

    async def hand_on(self, number: int, piece: bytes, *, last: bool) -> None:
        """Send a piece of a body as the gateway has room for it, unless its answer is there before."""
        whole = self._replies[number].whole
        while not whole.done():
            window = self._state.local_flow_control_window(number)
            part = piece[: min(window, self._state.max_outbound_frame_size)]
            piece = piece[len(part) :]
            if part:
                self._state.send_data(number, part, end_stream=last and not piece)
                self._flush()
            if not piece:
                return
            if not part:
                self._room.clear()
                await self._room.wait()

    def end(self, number: int) -> None:
        """Await nothing more of a request."""
        reply = self._replies.pop(number, None)
        if reply and not reply.whole.cancel() and not reply.whole.cancelled():
            reply.whole.exception()  # somebody has looked at it
        elif reply and not self.closed:
            self._state.reset_stream(number, ErrorCodes.CANCEL)
            self._flush()
        if self.leaving and not self._replies:
            self.close()

    def close(self) -> None:
        """Close it, without a goodbye whose answer nobody would wait for at the witness's end."""
        self._ear.cancel()
        self._writer.transport.abort()

    async def _listen(self) -> None:
        """Take in what the gateway sends, until it hangs up."""
        told = UNANSWERED
        try:
            while True:
                frame = await self._read_frame()
                if frame[3] == GOAWAY:
                    self._heed(frame[HEAD:])
                else:
                    for event in self._state.receive_data(frame):
                        self._take(event)
                self._flush()
        except (OSError, ProtocolError, ValueError, KeyError) as error:
            told = f"connection closed: {error or type(error).__name__}"
        except asyncio.IncompleteReadError:
            pass
        finally:
            self._writer.transport.abort()
            self._fail(self._replies, Lost(told))

    async def _read_frame(self) -> bytes:
        head = await self._reader.readexactly(HEAD)
        length = int.from_bytes(head[:3])
        if length > LONGEST_FRAME:
            raise ProtocolError(f"a frame of {length} bytes")
        return head + await self._reader.readexactly(length)

    def _heed(self, payload: bytes) -> None:
        """Take a GOAWAY. The library would refuse all that follows on it, the answers too."""
        self._last = min(self._last, int.from_bytes(payload[:4]) & EVERY_STREAM)
        code = int.from_bytes(payload[4:8])
        self.leaving = "by GOAWAY" + (f", error {code}" if code else "")
        above = [number for number in self._replies if number > self._last]
        self._fail(above, Refused("refused: GOAWAY"))
        if not self._replies:
            self.close()

    def _take(self, event: Event) -> None:
        if isinstance(event, WindowUpdated | RemoteSettingsChanged):
            self._room.set()
        if isinstance(event, DataReceived) and event.flow_controlled_length:
            self._state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        reply = self._replies.get(getattr(event, "stream_id", None) or 0)
        if reply is None or reply.whole.done():
            return
        if isinstance(event, ResponseReceived | TrailersReceived):
            fields = dict(event.headers)
            reply.code = fields.get(b"grpc-status", b"").decode("latin-1")
        if isinstance(event, ResponseReceived):
            reply.status = int(fields[b":status"])
            reply.served = fields.get(b"x-stackctl-served", b"").decode("latin-1")
        elif isinstance(event, StreamEnded):
            self.quiet_since = time.monotonic()
            reply.whole.set_result(None)
            self._room.set()
        elif isinstance(event, StreamReset):
            self._fail([event.stream_id], _tell_reset(event.error_code))

    def _fail(self, numbers: Iterable[int], reason: Lost) -> None:
        """Tell who waits for these that no answer comes."""
        for number in numbers:
            if not self._replies[number].whole.done():
                self._replies[number].whole.set_exception(reason)
        self._room.set()

    def _flush(self) -> None:
        wire = self._state.data_to_send()
        if wire and not self._writer.transport.is_closing():
            self._writer.write(wire)


def _make_state() -> H2Connection:
    """Return what keeps the books of a connection. What headers hold is not for a witness to judge."""
    known = {SettingCodes.ENABLE_PUSH: 0, SettingCodes.MAX_HEADER_LIST_SIZE: LONGEST_HEAD}
    state = H2Connection(H2Configuration(client_side=True, validate_inbound_headers=False))
    state.local_settings = Settings(client=True, initial_values=known)
    state.decoder.max_header_list_size = LONGEST_HEAD
    state.initiate_connection()
    return state


def _tell_reset(code: int) -> Lost:
    """Return what a stream was that the gateway has ended."""
    if code == ErrorCodes.REFUSED_STREAM:
        return Refused("refused: REFUSED_STREAM")
    known = {int(one): one.name for one in ErrorCodes}
    return Lost(f"stream closed: {known.get(code, code)}")


class Stream:
    """One request over a connection that others share."""

    reusable = False

    def __init__(self, shared: Shared) -> None:
        self.decided = 0.0  # monotonic time just before the head of the request was complete
        self.port, self.idle, self.closed = shared.port, shared.idle, shared.closed
        self._shared = shared
        self._number = 0

    async def ask(
        self, errand: Errand, pause: Pause | None = None, name: str = ""
    ) -> tuple[int, str]:
        """Send a request, the last bytes of its body one by one with a `pause` before each.

        Returns the status and who served. Raises Lost where there is no whole answer, Refused where the
        gateway has not looked at it.
        """
        try:
            self.decided = time.monotonic()
            self._number, reply = self._shared.begin(errand, name)
            held_back = min(SLOW_PIECES, len(errand.body)) if pause else 0
            pieces = [errand.body[: len(errand.body) - held_back]]
            pieces += [bytes([byte]) for byte in errand.body[len(errand.body) - held_back :]]
            for place, piece in enumerate(pieces if errand.body else ()):
                if pause and place:
                    await pause()
                await self._shared.hand_on(self._number, piece, last=place == held_back)
            await reply.whole
        except (OSError, ProtocolError) as error:
            raise Lost(f"connection closed: {error}") from error
        return reply.tell_status(call=errand.call), reply.served

    def recycle(self) -> None:
        """No other request follows on it."""

    def close(self) -> None:
        """Let it end; the connection stays."""
        self._shared.end(self._number)
