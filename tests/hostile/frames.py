"""HTTP/2 as somebody writes it who keeps to no rule: frames, and heads that are cheap to send. Pure."""

from __future__ import annotations

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
HEADERS, RST_STREAM, SETTINGS, PING, CONTINUATION = 1, 3, 4, 6, 9
END_STREAM, END_HEADERS = 1, 4
MOST, INITIAL_WINDOW = 3, 4  # settings: requests at once, and how much of each answer is read
CANCEL = struct.pack("!I", 8)
GET, HTTPS, PATH, AUTHORITY = b"\x82", b"\x87", 4, 1  # the table that every client has
KEEP, KNOWN = (
    b"\x40",
    b"\xbe",
)  # put a field into the other table; and the one that was put there last
LONG = b"a" * 3900  # what that table has room for


def frame(kind: int, flags: int, stream: int, body: bytes = b"") -> bytes:
    """Return a frame."""
    return (
        struct.pack("!I", len(body))[1:] + bytes((kind, flags)) + struct.pack("!I", stream) + body
    )


def greet(window: int = 65535) -> bytes:
    """Return how a client begins that would read so many bytes of each answer."""
    return PREFACE + frame(SETTINGS, 0, 0, struct.pack("!HI", INITIAL_WINDOW, window))


def text(value: bytes) -> bytes:
    """Return a string of HPACK."""
    return number(len(value), 7) + value


def number(value: int, bits: int) -> bytes:
    """Return a number of HPACK that has so many bits of its first byte."""
    most = 2**bits - 1
    if value < most:
        return bytes((value,))
    told, value = [most], value - most
    while value >= 128:
        told.append(value % 128 + 128)
        value //= 128
    return bytes((*told, value))


def head(host: bytes) -> bytes:
    """Return the head of a request for `/`."""
    return GET + HTTPS + bytes((PATH,)) + text(b"/") + bytes((AUTHORITY,)) + text(host)


def ask(stream: int, host: bytes, more: bytes = b"") -> bytes:
    """Return a request with further fields."""
    return frame(HEADERS, END_STREAM | END_HEADERS, stream, head(host) + more)


def ask_dearly(stream: int, host: bytes) -> bytes:
    """Return a request whose head has 28 KB: the first one of a connection sends them once, others a few bytes."""
    first = KEEP + text(b"x-long") + text(LONG) if stream == 1 else KNOWN
    return ask(stream, host, first + KNOWN * 6)


def read_most(told: bytes) -> int:
    """Return how many requests may go on at once, by the frame with which a server begins."""
    rows = range(9, 9 + int.from_bytes(told[:3]), 6)
    settings = {told[at + 1]: int.from_bytes(told[at + 2 : at + 6]) for at in rows}
    return settings.get(MOST, 100)


def take_back(stream: int) -> bytes:
    """Return that the answer to a request is not wanted."""
    return frame(RST_STREAM, 0, stream, CANCEL)


def streams(number: int) -> range:
    """Return the numbers of so many requests of a client."""
    return range(1, 2 * number, 2)
