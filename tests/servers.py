"""Servers that tests start: each serves every connection in a thread of its own."""

from __future__ import annotations

import socket
import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from http.server import BaseHTTPRequestHandler
    from types import TracebackType

MOST = 65_536  # bytes that are handed on at once


class HttpServer:
    """Answers on the loopback, as its handler does, while somebody is within it."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        self.port = self.server.server_port

    def __enter__(self) -> Self:
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.server.shutdown()
        self.server.server_close()


class Listener(ABC):
    """Takes connections at a port that the kernel chooses, from `listen` on."""

    def __init__(self, host: str) -> None:
        self._listener = socket.create_server((host, 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]

    def listen(self) -> None:
        """Begin."""
        threading.Thread(target=self._receive, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    @abstractmethod
    def _serve(self, opened: socket.socket) -> None:
        """Serve one connection, and close it."""

    def _receive(self) -> None:
        with suppress(OSError):  # it is closed
            while True:
                opened, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(opened,), daemon=True).start()


def connect(one: socket.socket, other: socket.socket) -> None:
    """Hand on between the two what each says, until both have ended."""
    back = threading.Thread(target=hand_on, args=(other, one), daemon=True)
    back.start()
    hand_on(one, other)
    back.join()


def hand_on(giver: socket.socket, taker: socket.socket) -> None:
    """Hand on what one says, and that it has ended."""
    with suppress(OSError):
        while data := giver.recv(MOST):
            taker.sendall(data)
    with suppress(OSError):
        taker.shutdown(socket.SHUT_WR)
