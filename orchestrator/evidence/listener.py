"""A client that holds a WebSocket, as a page does that shows what is new."""

from __future__ import annotations

import asyncio
import time
from asyncio import FIRST_COMPLETED
from typing import TYPE_CHECKING, Protocol

from orchestrator.evidence.notes import WEBSOCKET, What
from orchestrator.evidence.patience import PATIENCE
from orchestrator.evidence.promise import name_version
from orchestrator.evidence.wire import Lost

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping

    from orchestrator.evidence.way import Way
    from orchestrator.evidence.websocket import WebSocket


class Notes(Protocol):
    """Whoever takes down what is noticed."""

    def __call__(
        self, note: What, client: str = "", request: str = "", idle: float = 0.0, text: str = ""
    ) -> None:
        """Note something; `idle` is in seconds."""


async def hold(
    opened: Coroutine[object, object, WebSocket],
    path: str,
    over: asyncio.Event,
    note: Notes,
    versions: Mapping[str, str],
    way: Way,
) -> None:
    """Hold a WebSocket until somebody closes it, or until it would hold a drain up (`over`)."""
    settled = asyncio.create_task(over.wait())
    opening = asyncio.create_task(opened)
    await asyncio.wait([opening, settled], timeout=PATIENCE, return_when=FIRST_COMPLETED)
    opening.cancel()  # if it has not opened by now
    try:
        websocket = await opening
    except (Lost, asyncio.CancelledError) as error:
        note("refused", WEBSOCKET, path, text=str(error) or "no answer")
        settled.cancel()
        return
    note("opened", WEBSOCKET, path, text=name_version(websocket.served, versions))
    await asyncio.wait([websocket.end, settled], return_when=FIRST_COMPLETED)
    idle = time.monotonic() - websocket.quiet_since
    if websocket.end.done():
        ended: What = "cut" if await way.was_cut(websocket.connection) else "closed"
        note(ended, WEBSOCKET, path, idle, websocket.end.result())
    elif await websocket.leave():
        note("left", WEBSOCKET, path, idle, "it was still open")
    else:
        note("left", WEBSOCKET, path, idle, "nobody answered the goodbye")
    settled.cancel()
    websocket.close()
