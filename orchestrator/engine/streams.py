"""The bytes of a process, as the engine hands them out over a connection that it has given up to us."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import socket

HEADER = 8  # bytes before each frame: the stream's number, three zeros, the length


def open_socket(stream: Any, patience: float | None) -> socket.socket:
    """Return the socket of a stream; it waits `patience` seconds, without one for as long as it takes.

    Over a unix socket docker-py hands out a wrapper that can only read.
    """
    opened: socket.socket = getattr(stream, "_sock", stream)
    opened.settimeout(patience)
    return opened


def read_exactly(opened: socket.socket, count: int) -> bytes | None:
    """Return so many bytes; None where the stream ends before."""
    taken = b""
    while len(taken) < count:
        chunk = opened.recv(count - len(taken))
        if not chunk:
            return None
        taken += chunk
    return taken


def length_of(header: bytes) -> int:
    """Return how many bytes a frame has behind its header."""
    return int.from_bytes(header[4:], "big")
