"""The bytes of a process, as the engine hands them out over a connection that it has given up to us."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.engine.values import ERROR, OUT

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

HEADER = 8  # bytes before each frame: the stream's number, three zeros, the length
MOST = 65_536  # bytes that are taken at once


def open_socket(stream: Any, patience: float | None) -> socket.socket:
    """Return the socket of a stream; it waits `patience` seconds, without one for as long as it takes.

    Over a unix socket docker-py hands out a wrapper that can only read.
    """
    opened: socket.socket = getattr(stream, "_sock", stream)
    opened.settimeout(patience)
    return opened


def read_exactly(opened: socket.socket, count: int) -> bytes:
    """Return so many bytes; fewer where the stream ends before."""
    taken = b""
    while len(taken) < count and (chunk := opened.recv(count - len(taken))):
        taken += chunk
    return taken


def read_plain(opened: socket.socket) -> Iterator[tuple[int, bytes]]:
    """Yield what a process with a terminal prints: all of it is one stream."""
    while data := opened.recv(MOST):
        yield OUT, data


def read_frames(opened: socket.socket) -> Iterator[tuple[int, bytes]]:
    """Yield what a process prints, and on which stream. Raises EOFError where a frame is not whole."""
    while header := read_exactly(opened, HEADER):
        left = length_of(header)
        while left and (data := opened.recv(min(left, MOST))):
            left -= len(data)
            yield (ERROR if header[0] == ERROR else OUT), data
        if left or len(header) < HEADER:
            raise EOFError


def length_of(header: bytes) -> int:
    """Return how many bytes a frame has behind its header."""
    return int.from_bytes(header[4:], "big")
