"""A little HTTP server on loopback that misbehaves on purpose."""

from __future__ import annotations

import re
import socket
import socketserver
import struct
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.stack.quantities import Address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

SERVED = b"X-Stackctl-Served: web_blue/v1\r\n"
GOOD = b"HTTP/1.1 200 OK\r\n" + SERVED + b"Content-Length: 2\r\n\r\nok"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\n" + SERVED + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"
)
CLOSING = GOOD.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
BAD_GATEWAY = b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n"


class Request(NamedTuple):
    """A request that arrived whole, and the connection that it came over."""

    method: str
    path: str
    head: str
    body: bytes
    connection: socket.socket

    @property
    def peer(self) -> object:
        """Return the client's end: a new one for each connection."""
        return self.connection.getpeername()

    def answer(self, wire: bytes) -> bool:
        """Send it; the connection stays."""
        self.connection.sendall(wire)
        return True

    def answer_and_close(self, wire: bytes) -> bool:
        """Send it in one packet with the end of the connection."""
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_CORK, 1)
        self.connection.sendall(wire)
        self.connection.shutdown(socket.SHUT_WR)
        return False

    def reset(self) -> bool:
        """Send an RST: what a client gets from a process that was killed."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return False


class Server(socketserver.ThreadingTCPServer):
    """Reads whole requests, notes them and does with each what `behave` says.

    `behave` returns whether the connection stays open.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, behave: Callable[[Request], bool]) -> None:
        super().__init__(("127.0.0.1", 0), Conversation)
        self.behave = behave
        self.requests: list[Request] = []

    @property
    def address(self) -> Address:
        """Return where it listens."""
        host, port = self.socket.getsockname()
        return Address(host, port)


class Conversation(socketserver.StreamRequestHandler):
    """One connection: whole requests, one after the other."""

    server: Server

    def handle(self) -> None:
        """Serve it until the server closes it, or the client does."""
        while (request := self._read()) is not None:
            self.server.requests.append(request)
            if not self.server.behave(request):
                self.connection.close()
                return

    def _read(self) -> Request | None:
        lines = []
        try:
            while (line := self.rfile.readline()).strip():
                lines.append(line.decode())
            if not lines:
                return None
            head = "".join(lines)
            length = re.search(r"(?i)^content-length: (\d+)", head, re.MULTILINE)
            body = self.rfile.read(int(length[1]) if length else 0)
        except ConnectionError:
            return None
        method, path, _ = lines[0].split()
        return Request(method, path, head, body, self.connection)


@contextmanager
def running(server: Server) -> Iterator[Server]:
    """Let a server serve until the end of the block."""
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def serving(behave: Callable[[Request], bool]) -> AbstractContextManager[Server]:
    """Serve on a free port until the end of the block."""
    return running(Server(behave))
