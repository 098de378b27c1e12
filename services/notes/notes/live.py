"""Changes as they happen: as server-sent events, and over a WebSocket."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Coroutine
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Request, WebSocket, WebSocketDisconnect
from pymongo.errors import PyMongoError
from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from notes.changes import Change
from notes.clients import client_of
from notes.documents import NOTE_ID_PATTERN
from notes.feed import AddressFullError, Feed, FeedFullError, Listener
from notes.problems import documented, problem, too_many_of_address

# More often than any proxy's patience, the gateway's 30 s among them.
HEARTBEAT_SECONDS = 15.0

# For the last words to a listener whose stream ends, before its connection is cut.
LAST_WORDS_SECONDS = 1.0

# WebSocket close codes: the server is about to stop; this listener was too slow.
SERVICE_RESTART: Final = 1012
TRY_AGAIN_LATER: Final = 1013

router = APIRouter(prefix="/notes", tags=["live"])


class EventStream(StreamingResponse):
    """Server-sent events for one listener, which is let go however the stream ends."""

    media_type = "text/event-stream"

    def __init__(self, feed: Feed, listener: Listener) -> None:
        """Say whose changes are sent."""
        # The gateway buffers answers unless told otherwise.
        super().__init__(events(listener), headers={"X-Accel-Buffering": "no"})
        self._feed = feed
        self._listener = listener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until the client leaves or the listener ends."""
        try:
            await while_listening(super().__call__(scope, receive, send), self._listener)
        finally:
            self._feed.leave(self._listener)


@router.get(
    "/events",
    response_class=Response,
    responses={
        200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}},
        **documented(422, 429, 503),
    },
)
async def note_events(
    request: Request,
    last_event_id: Annotated[str | None, Header(pattern=NOTE_ID_PATTERN)] = None,
) -> EventStream:
    """Tell each change as an event; first those of the last minute after the event named."""
    feed: Feed = request.app.state.feed
    return EventStream(feed, await feed.listen(client_of(request), last_event_id))


@router.websocket("/live")
async def note_live(websocket: WebSocket) -> None:
    """Tell each change as a JSON text. The text `ping` is answered with `pong`."""
    feed: Feed = websocket.app.state.feed
    try:
        listener = await feed.listen(client_of(websocket))
    except AddressFullError:
        await websocket.send_denial_response(too_many_of_address())
        return
    except (FeedFullError, PyMongoError):
        refusal = problem(503, "no listener can be taken", headers={"Retry-After": "5"})
        await websocket.send_denial_response(refusal)
        return
    try:
        await websocket.accept()
        await while_listening(converse(websocket, listener), listener)
    finally:
        feed.leave(listener)


async def events(
    listener: Listener, heartbeat_seconds: float = HEARTBEAT_SECONDS
) -> AsyncIterator[str]:
    """Write a listener's changes as events, and a comment when there is nothing to tell."""
    yield "retry: 1000\n\n"
    while not listener.ended.is_set():
        change = await listener.next_change(heartbeat_seconds)
        if change is not None:
            yield f"id: {change.id}\nevent: {change.kind}\ndata: {told(change)}\n\n"
        else:
            yield ": nothing new\n\n"


async def converse(websocket: WebSocket, listener: Listener) -> None:
    """Tell changes and answer pings until either side leaves."""
    sides = [
        asyncio.create_task(tell_changes(websocket, listener)),
        asyncio.create_task(answer_pings(websocket)),
    ]
    try:
        done, _ = await asyncio.wait(sides, return_when=asyncio.FIRST_COMPLETED)
        for side in done:
            side.result()
    finally:
        for side in sides:
            side.cancel()


async def tell_changes(websocket: WebSocket, listener: Listener) -> None:
    """Send each change, and why there are no more."""
    with contextlib.suppress(WebSocketDisconnect):
        while not listener.ended.is_set():
            change = await listener.next_change(HEARTBEAT_SECONDS)
            if change is not None:
                await websocket.send_text(told(change))
        await websocket.close(TRY_AGAIN_LATER if listener.late else SERVICE_RESTART)


async def answer_pings(websocket: WebSocket) -> None:
    """Answer a `ping`, and nothing else, until the client leaves."""
    with contextlib.suppress(WebSocketDisconnect):
        while (message := await websocket.receive())["type"] != "websocket.disconnect":
            if message.get("text") == "ping":
                await websocket.send_text("pong")


async def while_listening(stream: Coroutine[Any, Any, object], listener: Listener) -> None:
    """Run a stream to its end. A client that reads no more holds it up; so it has little time left
    once the listener has ended.
    """
    sending = asyncio.create_task(stream)
    ending = asyncio.create_task(listener.ended.wait())
    try:
        await asyncio.wait({sending, ending}, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait({sending}, timeout=LAST_WORDS_SECONDS)
        if sending.done():
            sending.result()
    finally:
        sending.cancel()
        ending.cancel()


def told(change: Change) -> str:
    """Write a change as JSON."""
    return json.dumps({"event": change.kind, "id": change.note_id, "version": change.version})
