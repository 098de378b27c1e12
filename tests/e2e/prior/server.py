"""A service that speaks HTTP/2 without TLS at 8000, from the first byte, and no other HTTP.

It answers what it was asked as JSON, with its version; `/large` with as many bytes as the query says, `/304` that
nothing has changed.
"""

from __future__ import annotations

import json
import os
import socket
import threading
from contextlib import suppress

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded
from h2.exceptions import ProtocolError

VERSION = os.environ.get("SERVICE_VERSION", "dev")
PIECE = 16384  # bytes


class Line:
    """One connection of the gateway."""

    def __init__(self, opened: socket.socket) -> None:
        self._opened = opened
        self._state = H2Connection(H2Configuration(client_side=False))
        self._heads: dict[int, dict[str, str]] = {}
        self._lengths: dict[int, int] = {}

    def serve(self) -> None:
        """Answer each request until it closes."""
        self._state.initiate_connection()
        self._flush()
        with suppress(OSError, ProtocolError):
            while data := self._opened.recv(65536):
                for event in self._state.receive_data(data):
                    self._take(event)
                self._flush()
        self._opened.close()

    def _take(self, event: object) -> None:
        if isinstance(event, RequestReceived):
            self._heads[event.stream_id] = {
                name.decode(): value.decode() for name, value in event.headers
            }
            self._lengths[event.stream_id] = 0
        elif isinstance(event, DataReceived):
            self._lengths[event.stream_id] += len(event.data)
            self._state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            self._answer(event.stream_id)

    def _answer(self, number: int) -> None:
        head, length = self._heads.pop(number), self._lengths.pop(number)
        path, _, query = head[":path"].partition("?")
        if path == "/304":
            self._state.send_headers(number, [(":status", "304"), ("etag", '"x"')], end_stream=True)
            return
        told = {"version": VERSION, "method": head[":method"], "length": length, "headers": head}
        body = b"x" * int(query) if path == "/large" else json.dumps(told).encode()
        fields = [(":status", "200"), ("content-length", str(len(body)))]
        self._state.send_headers(number, fields, end_stream=head[":method"] == "HEAD")
        if head[":method"] == "HEAD":
            return
        for start in range(0, len(body), PIECE):  # NGINX has room for any answer
            self._state.send_data(number, body[start : start + PIECE])
            self._flush()
        self._state.end_stream(number)

    def _flush(self) -> None:
        self._opened.sendall(self._state.data_to_send())


def main() -> None:
    """Serve until the process is ended."""
    with socket.create_server(("0.0.0.0", 8000), backlog=128) as listener:
        while True:
            opened, _ = listener.accept()
            threading.Thread(target=Line(opened).serve, daemon=True).start()


if __name__ == "__main__":
    main()
