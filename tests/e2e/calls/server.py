"""A service that answers calls of gRPC at 50051, without TLS, and tells its health by HTTP at 8080.

It answers gRPC's health protocol too, for the app as a whole and for `calls.Calls`, which `DISMISSED` keeps from serving.
`Version` answers which version it is, `Slow` a second later, `Never` not at all, and `Refuse` with status 5.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, RequestReceived, StreamEnded
from h2.exceptions import ProtocolError

VERSION = os.environ.get("SERVICE_VERSION", "dev")
MESSAGE = b"\0" + len(VERSION).to_bytes(4) + VERSION.encode()
NOT_FOUND = "5"
UNIMPLEMENTED = "12"
KNOWN = ("Version", "Slow", "Check")
STATE = 2 if os.environ.get("DISMISSED") else 1  # not serving, serving
SERVING = bytes([0, 0, 0, 0, 2, 8, STATE])


class Health(BaseHTTPRequestHandler):
    """Says that it is well."""

    def do_GET(self) -> None:
        """Answer."""
        body = json.dumps({"version": VERSION}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Line:
    """One connection of the gateway."""

    def __init__(self, opened: socket.socket) -> None:
        self._opened = opened
        self._state = H2Connection(H2Configuration(client_side=False))
        self._one = threading.Lock()  # at the state
        self._methods: dict[int, str] = {}
        self._messages: dict[int, bytes] = {}

    def serve(self) -> None:
        """Answer each call until it closes."""
        with self._one:
            self._state.initiate_connection()
            self._flush()
        with suppress(OSError, ProtocolError):
            while data := self._opened.recv(65536):
                with self._one:
                    for event in self._state.receive_data(data):
                        self._take(event)
                    self._flush()
        self._opened.close()

    def _take(self, event: object) -> None:
        if isinstance(event, RequestReceived):
            head = dict(event.headers)
            self._methods[event.stream_id] = head[b":path"].decode().rpartition("/")[2]
            if head[b":method"] != b"POST":
                self._state.send_headers(event.stream_id, [(":status", "405")], end_stream=True)
                del self._methods[event.stream_id]
        elif isinstance(event, DataReceived):
            self._messages[event.stream_id] = self._messages.get(event.stream_id, b"") + event.data
            self._state.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded) and event.stream_id in self._methods:
            method = self._methods.pop(event.stream_id)
            message = self._messages.pop(event.stream_id, b"")
            threading.Thread(target=self._answer, args=(event.stream_id, method, message)).start()

    def _answer(self, number: int, method: str, message: bytes) -> None:
        if method == "Never":
            return
        if method == "Slow":
            time.sleep(1)  # noqa: TID251  being slow is what it is for
        head = [(":status", "200"), ("content-type", "application/grpc")]
        with self._one, suppress(OSError, ProtocolError):
            unknown = method == "Check" and message[7:] not in (b"", b"calls.Calls")
            if method == "Refuse" or unknown:
                told = [("grpc-status", NOT_FOUND), ("grpc-message", "there is none")]
                self._state.send_headers(number, [*head, *told], end_stream=True)
            elif method not in KNOWN:
                told = [("grpc-status", UNIMPLEMENTED), ("grpc-message", "unknown method")]
                self._state.send_headers(number, [*head, *told], end_stream=True)
            else:
                self._state.send_headers(number, head)
                self._state.send_data(number, SERVING if method == "Check" else MESSAGE)
                self._state.send_headers(number, [("grpc-status", "0")], end_stream=True)
            self._flush()

    def _flush(self) -> None:
        self._opened.sendall(self._state.data_to_send())


def main() -> None:
    """Serve until the process is ended."""
    health = ThreadingHTTPServer(("0.0.0.0", 8080), Health)
    threading.Thread(target=health.serve_forever, daemon=True).start()
    with socket.create_server(("0.0.0.0", 50051), backlog=128) as listener:
        while True:
            opened, _ = listener.accept()
            threading.Thread(target=Line(opened).serve, daemon=True).start()


if __name__ == "__main__":
    main()
