"""The other side of a WebSocket, frame by frame, over a connection of the little server."""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.evidence.websocket import accept

if TYPE_CHECKING:
    import socket

    from tests.fakes.server import Request

CLOSE, PING, PONG, TEXT = 8, 9, 10, 1


class Frame(NamedTuple):
    """A frame that came from the client."""

    opcode: int
    payload: bytes
    masked: bool


class Peer:
    """Who has taken the handshake of a request."""

    def __init__(self, request: Request) -> None:
        self._socket: socket.socket = request.connection
        key = re.search(r"(?i)^sec-websocket-key: (\S+)", request.head, re.MULTILINE)
        assert key is not None, request.head
        self._socket.sendall(
            b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"X-Stackctl-Served: web_blue/v1\r\n"
            b"Sec-WebSocket-Accept: " + accept(key[1]).encode() + b"\r\n\r\n"
        )

    def send(self, opcode: int, payload: bytes = b"") -> None:
        """Send a frame, with its length as short as it can be told."""
        length = len(payload)
        if length < 126:
            told = bytes([length])
        elif length < 1 << 16:
            told = struct.pack("!BH", 126, length)
        else:
            told = struct.pack("!BQ", 127, length)
        self._socket.sendall(bytes([0x80 | opcode]) + told + payload)

    def receive(self) -> Frame:
        """Wait for the next frame, a short one."""
        first, second = self._read(2)
        mask = self._read(4) if second & 0x80 else bytes(4)
        payload = self._read(second & 0x7F)
        plain = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
        return Frame(first & 0xF, plain, bool(second & 0x80))

    def _read(self, size: int) -> bytes:
        content = b""
        while len(content) < size:
            piece = self._socket.recv(size - len(content))
            if not piece:
                raise ConnectionError("the client has hung up")
            content += piece
        return content
