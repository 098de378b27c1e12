"""A WebSocket that only listens (RFC 6455): it is there to notice when somebody closes it."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
import struct
import time
from typing import TYPE_CHECKING

from orchestrator.evidence.wire import CHUNK, Lost, introduce

if TYPE_CHECKING:
    from orchestrator.evidence.way import Way
    from orchestrator.evidence.wire import Connection

MAGIC = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
SWITCHING = 101
CLOSE, PING, PONG = 0x8, 0x9, 0xA
LAST_FRAME, MASKED = 0x80, 0x80
TWO_BYTES, EIGHT_BYTES = 126, 127  # in place of a length: that many bytes follow, and hold it
LONGEST_CONTROL = 125  # bytes
PARTING = 0.5  # seconds in which the other side may answer a goodbye
GOODBYE = "closed with code "
NORMAL = 1000  # the code of a close without a reason


class WebSocket:
    """An open WebSocket."""

    def __init__(self, connection: Connection, served: str) -> None:
        self.served = served
        self.quiet_since = time.monotonic()  # when the last frame came
        self.connection = connection
        self.end = asyncio.create_task(self._listen())  # how the other side closed it, in words

    @classmethod
    async def open(cls, way: Way, path: str, host: str, token: str) -> WebSocket:
        """Connect and shake hands. Raises Lost, in words, where it does not open."""
        connection = await way.open(host)
        try:
            return await cls._shake_hands(connection, path, host, token)
        except (Lost, asyncio.CancelledError):
            connection.close()
            raise

    @classmethod
    async def _shake_hands(
        cls, connection: Connection, path: str, host: str, token: str
    ) -> WebSocket:
        key = base64.b64encode(os.urandom(16)).decode()
        headers = [
            *introduce(token),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", key),
        ]
        status, told = await connection.upgrade(path, host, headers)
        if status != SWITCHING:
            raise Lost(f"status {status}, expected {SWITCHING}")
        if told.get("sec-websocket-accept") != accept(key):
            raise Lost("the answer is no WebSocket handshake")
        return cls(connection, told.get("x-stackctl-served", ""))

    async def leave(self) -> bool:
        """Say goodbye; return whether the other side was still there to answer it."""
        self._write_frame(CLOSE, struct.pack("!H", NORMAL))
        done, _ = await asyncio.wait([self.end], timeout=PARTING)
        return bool(done) and self.end.result().startswith(GOODBYE)

    def close(self) -> None:
        """Close its connection."""
        self.end.cancel()
        self.connection.close()

    async def _listen(self) -> str:
        """Answer pings until the other side closes it."""
        try:
            while True:
                opcode, payload = await self._read_frame()
                self.quiet_since = time.monotonic()
                if opcode == CLOSE:
                    return GOODBYE + tell_close(payload)
                if opcode == PING:
                    self._write_frame(PONG, payload)
        except asyncio.IncompleteReadError:
            return "cut without a goodbye"
        except OSError as error:
            return f"cut: {error.strerror or error}"

    async def _read_frame(self) -> tuple[int, bytes]:
        """Return the opcode and, of a control frame, what it holds; other frames are not kept."""
        first, second = await self.connection.reader.readexactly(2)
        length = second & ~MASKED
        if length == TWO_BYTES:
            (length,) = struct.unpack("!H", await self.connection.reader.readexactly(2))
        elif length == EIGHT_BYTES:
            (length,) = struct.unpack("!Q", await self.connection.reader.readexactly(8))
        payload = b""
        while length:
            piece = await self.connection.reader.readexactly(min(length, CHUNK))
            length -= len(piece)
            payload = (payload + piece)[:LONGEST_CONTROL]
        return first & 0xF, payload

    def _write_frame(self, opcode: int, payload: bytes) -> None:
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
        head = bytes([LAST_FRAME | opcode, MASKED | len(payload)])
        self.connection.writer.write(head + mask + masked)


def accept(key: str) -> str:
    """Return what a server answers to a client's key."""
    digest = hashlib.sha1(f"{key}{MAGIC}".encode(), usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def tell_close(payload: bytes) -> str:
    """Return the code and the reason in a close frame."""
    if len(payload) < 2:
        return "none"
    reason = " ".join(payload[2:].decode(errors="replace").split())
    return f"{int.from_bytes(payload[:2])} {reason}".strip()
