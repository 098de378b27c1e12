"""gRPC, as far as a release speaks it: the question of health, its answer, and what a status means. Pure.

The two messages are those of `grpc/health/v1/health.proto`: HealthCheckRequest has a service's name as field
1, HealthCheckResponse a state as field 1. They are small enough to be written by hand. Before each, gRPC over
HTTP/2 has five bytes: whether the message is compressed, and its length.
"""

from __future__ import annotations

from typing import NamedTuple

CALL = "gRPC"  # in the place of a method, where requests are named
CHECK = "/grpc.health.v1.Health/Check"
HEADERS = {"Content-Type": "application/grpc", "TE": "trailers"}
STATES = ("UNKNOWN", "SERVING", "NOT_SERVING", "SERVICE_UNKNOWN")
NAME, STATE = b"\x0a", b"\x08"  # field 1 as a text, and as a number
STATUSES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
WITHOUT = (
    "the app has no health service of gRPC: add it, which most libraries bring along, or name in"
    " `health.port` a port that tells it by HTTP"
)
UNREADY = "the app says so by itself: a slow start needs a longer `health.deadline`"
UNNAMED = "the health service of the app does not know that name: see `health.service`"
NOT_FOR_ALL = "let the app answer its health service without asking who calls"
OK, UNKNOWN, NOT_FOUND, REFUSED, UNIMPLEMENTED, UNAVAILABLE, UNAUTHENTICATED = (
    0,
    2,
    5,
    7,
    12,
    14,
    16,
)
# What says that a call has failed, and not what its answer is: as HTTP has 429, and 500 and above.
FAULTS = {
    STATUSES.index(name)
    for name in (
        "CANCELLED",
        "UNKNOWN",
        "DEADLINE_EXCEEDED",
        "RESOURCE_EXHAUSTED",
        "INTERNAL",
        "UNAVAILABLE",
        "DATA_LOSS",
    )
}
HINTS = {
    UNIMPLEMENTED: WITHOUT,
    NOT_FOUND: UNNAMED,
    REFUSED: NOT_FOR_ALL,
    UNAUTHENTICATED: NOT_FOR_ALL,
}


class Told(NamedTuple):
    """What an app says of its health."""

    status: int  # of gRPC
    fault: str = ""  # empty: it serves
    hint: str = ""


def write_check(service: str) -> bytes:
    """Return the question whether a service of at most 127 bytes is well; without a name, the whole app."""
    name = service.encode()
    message = NAME + bytes([len(name)]) + name if name else b""
    return b"\0" + len(message).to_bytes(4) + message


def read_state(body: bytes) -> str:
    """Return the state that an answer tells, in gRPC's words; empty where it is no such answer.

    A number of 0 is not sent.
    """
    message = body[5:]
    if body[:5] != b"\0" + len(message).to_bytes(4):
        return ""
    if not message:
        return STATES[0]
    known = (
        len(message) == len(STATE) + 1 and message.startswith(STATE) and message[-1] < len(STATES)
    )
    return STATES[message[-1]] if known else ""


def read_status(text: str) -> int:
    """Return the status in `grpc-status`; one that is no number is UNKNOWN, as clients have it."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 2 else UNKNOWN


def name_status(status: int) -> str:
    """Return what gRPC calls a status."""
    return STATUSES[status] if status < len(STATUSES) else "a status that gRPC does not know"


def read_check(status: str, words: str, body: bytes, service: str) -> Told:
    """Return what the answer to a question of health says, from its `grpc-status`, `grpc-message` and body.

    Both are empty where they came after the body, as they do with every good answer.
    """
    code = read_status(status) if status else OK
    asked = f" (asked was `{service}`)" if service else ""
    if code != OK:
        told = f"{name_status(code)}{asked}{words and f': {words}'}"
        return Told(code, told, HINTS.get(code, ""))
    state = read_state(body)
    if state == "SERVING":
        return Told(code)
    if not state:
        return Told(code, "no state in the answer", WITHOUT)
    return Told(code, f"{state}{asked}", UNNAMED if state == STATES[-1] else UNREADY)
