"""What became of connections and of the switch, as the witness saw it: one value a moment. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

What = Literal[
    "opened",  # a WebSocket
    "refused",  # a WebSocket did not open
    "closed",  # by the other side: a kept connection or a WebSocket
    "cut",  # on its way to the gateway, by neither side: one of these
    "left",  # by the witness: a WebSocket
    "promised",  # from here on, once this version has answered, no other may
    "answered",  # the promised version, for the first time
    "withdrawn",  # the promise
    "stood",  # still: the witness itself, for the seconds in `idle` up to then
    "usual",  # a request was answered so by the version of before: it is right to do so
]
MOST_CLOSES = 20  # that are listed one by one
WEBSOCKET = "websocket"


@dataclass(frozen=True)
class Note:
    """Something that the witness noticed beside its requests."""

    at: float  # Unix time
    note: What
    client: str = ""  # whose connection: `keepalive` or `websocket`
    request: str = ""  # what it was opened for
    idle: float = 0.0  # seconds since the last byte had come over it
    text: str = ""  # how it was closed, why it did not open, which version

    def facts(self) -> dict[str, object]:
        """Return its fields as JSON values."""
        return asdict(self)


def to_note(fields: Mapping[str, Any]) -> Note:
    """Read a note again. Raises ValueError or TypeError."""
    note = Note(**fields)
    float(note.at + note.idle)
    if note.note not in get_args(What):
        raise ValueError(f"no note is `{note.note}`")
    if {type(note.client), type(note.request), type(note.text)} != {str}:
        raise ValueError("a field of a note is no text")
    return note


def list_closes(notes: Iterable[Note]) -> dict[str, object]:
    """Return how many connections the other side closed, and the first of them one by one."""
    closed = [note for note in notes if note.note == "closed"]
    websockets = sum(note.client == WEBSOCKET for note in closed)
    return {
        "kept": len(closed) - websockets,
        "websockets": websockets,
        "first": [
            {
                "at": note.at,
                "client": note.client,
                "request": note.request,
                "idle": note.idle,
                "text": note.text,
            }
            for note in closed[:MOST_CLOSES]
        ],
    }


def list_websockets(notes: Sequence[Note]) -> list[dict[str, object]]:
    """Return what became of each WebSocket: whether it opened, for how long, and how it ended."""
    own = [note for note in notes if note.client == WEBSOCKET]
    opened = {note.request: note for note in own if note.note == "opened"}
    ended = {note.request: note for note in own if note.note != "opened"}
    return [
        _tell_websocket(request, opened.get(request), ended.get(request))
        for request in sorted({*opened, *ended})
    ]


def _tell_websocket(request: str, opened: Note | None, ended: Note | None) -> dict[str, object]:
    return {
        "request": request,
        "opened": opened.at if opened else None,
        "seconds": round(ended.at - opened.at, 3) if opened and ended else None,
        "end": ended.note if ended else None,
        "at": ended.at if ended else None,
        "text": ended.text if ended else "",
    }


def has_promise(notes: Iterable[Note]) -> bool:
    """Return whether answers of other versions were watched for to the end."""
    last = [note.note for note in notes if note.note in ("promised", "withdrawn")][-1:]
    return last == ["promised"]
