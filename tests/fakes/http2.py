"""A little server that speaks HTTP/2 on loopback, with TLS or without, and misbehaves on purpose."""

from __future__ import annotations

import socket
import struct
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded
from h2.exceptions import ProtocolError

from tests.fakes.server import GOOD, Conversation, Server

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable

    from h2.events import Event

SERVED = ("x-stackctl-served", "web_blue/v1")
GOAWAY = struct.Struct("!3sBBIII")  # of a frame without debug data


@dataclass
class Asked:
    """A request that has begun, and what may be done about it."""

    number: int  # of its stream
    headers: dict[bytes, bytes]
    line: Line
    body: bytes = b""
    whole: bool = False

    def answer(self, *, status: str = "200", served: str = SERVED[1], body: bytes = b"ok") -> bool:
        """Answer it; the connection stays."""
        state = self.line.state
        state.send_headers(
            self.number, [(":status", status), ("x-stackctl-served", served)], end_stream=not body
        )
        if body:
            state.send_data(self.number, body, end_stream=True)
        return True

    def tell(self, code: str, *, served: str = SERVED[1], message: bytes | None = None) -> bool:
        """Answer a call of gRPC; its status comes behind the message, where there is one."""
        state, number = self.line.state, self.number
        head = [(":status", "200"), ("x-stackctl-served", served)]
        if message is None:
            state.send_headers(number, [*head, ("grpc-status", code)], end_stream=True)
        else:
            state.send_headers(number, head)
            state.send_data(number, message)
            state.send_headers(
                number, [("grpc-status", code)] if code else [("x", "y")], end_stream=True
            )
        return True

    def begin(self) -> bool:
        """Send the head of an answer and a part of it."""
        self.line.state.send_headers(self.number, [(":status", "200"), SERVED])
        self.line.state.send_data(self.number, b"o")
        return True

    def reset(self, code: int) -> bool:
        """Let it end without an answer; the connection stays."""
        self.line.state.reset_stream(self.number, code)
        return True

    def say_goodbye(self, last: int, code: int = 0) -> bool:
        """Send GOAWAY: no request with a higher number than `last` is looked at."""
        self.line.flush()
        self.line.write(GOAWAY.pack(b"\0\0\x08", 7, 0, 0, last, code))
        return True

    def hang_up(self) -> bool:
        """Send what was said, and close the connection."""
        self.line.flush()
        return False


@dataclass
class Line:
    """One connection in HTTP/2."""

    opened: socket.socket
    state: H2Connection = field(
        default_factory=lambda: H2Connection(H2Configuration(client_side=False))
    )
    asked: dict[int, Asked] = field(default_factory=dict)

    def flush(self) -> None:
        """Send what was said."""
        self.write(self.state.data_to_send())

    def write(self, data: bytes) -> None:
        """Send these bytes."""
        if data:
            self.opened.sendall(data)


class Http2Server(Server):
    """Does with each HTTP/2 request what `behave2` says, and with others what `behave` says.

    It is asked once a request has begun, and once it is whole; it returns whether the connection stays.
    """

    def __init__(
        self,
        context: ssl.SSLContext | None,
        behave2: Callable[[Asked], bool],
        *,
        speaks: bool = True,
    ) -> None:
        super().__init__(lambda request: request.answer(GOOD))
        self.RequestHandlerClass = _SecureConversation
        if context is not None:
            context.set_alpn_protocols(["h2", "http/1.1"] if speaks else ["http/1.1"])
        self.context, self.behave2 = context, behave2
        self.lines: list[Line] = []
        self.asked: list[Asked] = []


class _SecureConversation(Conversation):
    server: Http2Server

    def setup(self) -> None:
        if self.server.context is not None:
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        with suppress(OSError):  # of what a client did not take
            super().finish()
        self.request.close()

    def handle(self) -> None:
        context = self.server.context  # without TLS all begin with HTTP/2
        if context is not None and self.request.selected_alpn_protocol() != "h2":
            with suppress(OSError):  # who leaves says no goodbye
                super().handle()
            return
        line = Line(self.request)
        self.server.lines.append(line)
        line.state.initiate_connection()
        line.flush()
        with suppress(OSError, ProtocolError):
            while data := self.request.recv(65536):
                if not self._go_on(line, data):
                    break
                line.flush()
        with suppress(OSError):
            self.request.shutdown(socket.SHUT_RDWR)

    def _go_on(self, line: Line, data: bytes) -> bool:
        stays = [self._take(line, event) for event in line.state.receive_data(data)]
        return all(stays)

    def _take(self, line: Line, event: Event) -> bool:
        number = getattr(event, "stream_id", 0)
        if isinstance(event, RequestReceived):
            line.asked[number] = Asked(number, dict(event.headers), line)
            self.server.asked.append(line.asked[number])
            return self.server.behave2(line.asked[number])
        if isinstance(event, DataReceived):
            line.asked[number].body += event.data
            line.state.acknowledge_received_data(event.flow_controlled_length, number)
        if isinstance(event, StreamEnded):
            line.asked[number].whole = True
            return self.server.behave2(line.asked[number])
        return True
