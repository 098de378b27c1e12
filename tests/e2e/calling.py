"""A client of gRPC over one HTTP/2 connection, which it keeps; it repeats nothing."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import h2
import hpack
import hyperframe
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

EMPTY = b"\0\0\0\0\0"  # a message without fields
LONGEST = 30.0  # seconds


def put_http2(folder: Path) -> None:
    """Put beside an app what it speaks HTTP/2 with: no image here has it."""
    for package in (h2, hpack, hyperframe):
        source = Path(str(package.__file__)).parent
        shutil.copytree(source, folder / source.name, dirs_exist_ok=True)


class Called(NamedTuple):
    """What came of a call."""

    status: str  # of HTTP
    code: str  # of gRPC
    fields: Mapping[str, str]  # headers and trailers
    text: str  # the message


class Caller:
    """Begins with HTTP/2, without TLS where it is given no connection that has it."""

    def __init__(self, port: int, opened: socket.socket | None = None) -> None:
        self._opened = opened or socket.create_connection(("127.0.0.1", port), timeout=LONGEST)
        self._authority = f"localhost:{port}"
        self._state = H2Connection(H2Configuration(client_side=True))
        self._state.initiate_connection()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def call(self, path: str, message: bytes = EMPTY, **more: str) -> Called:
        """Call once. Fails where the connection, or the call, ends without an answer."""
        number = self._state.get_next_available_stream_id()
        head = [(":method", "POST"), (":scheme", "http"), (":authority", self._authority)]
        head += [(":path", path), ("te", "trailers"), ("content-type", "application/grpc")]
        self._state.send_headers(number, [*head, *more.items()])
        self._state.send_data(number, message, end_stream=True)
        fields: dict[str, str] = {}
        body = b""
        while True:
            self._opened.sendall(self._state.data_to_send())
            data = self._opened.recv(65536)
            assert data, "the gateway closed the connection"
            for event in self._state.receive_data(data):
                assert not isinstance(event, StreamReset | ConnectionTerminated), event
                if isinstance(event, ResponseReceived | TrailersReceived):
                    fields |= {
                        bytes(name).decode(): bytes(value).decode() for name, value in event.headers
                    }
                elif isinstance(event, DataReceived):
                    body += event.data
                    size = event.flow_controlled_length
                    self._state.acknowledge_received_data(size, number)
                elif isinstance(event, StreamEnded):
                    self._opened.sendall(self._state.data_to_send())
                    code = fields.get("grpc-status", "")
                    return Called(fields[":status"], code, fields, body[5:].decode())
