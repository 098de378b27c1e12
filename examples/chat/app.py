"""A chat room: one page, one WebSocket for each visitor, and what was said last."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI, WebSocket, WebSocketDisconnect
from fastapi.responses import HTMLResponse

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

VERSION = os.environ.get("SERVICE_VERSION", "dev")
COME_AGAIN = 1012  # the close code of a service that restarts: clients connect again
PAGE = """<!doctype html>
<html lang="en">
<title>Chat</title>
<h1>Chat <small id="version"></small></h1>
<ol id="said"></ol>
<form><input id="text" aria-label="Message" autofocus> <button>Say</button></form>
<script>
  const said = document.querySelector("#said"), text = document.querySelector("#text");
  let wire;
  function join() {
    wire = new WebSocket(`${location.protocol.replace("http", "ws")}//${location.host}/ws`);
    wire.onmessage = ({data}) => {
      const {version, line} = JSON.parse(data);
      document.querySelector("#version").textContent = version;
      if (line) said.append(Object.assign(document.createElement("li"), {textContent: line}));
    };
    wire.onclose = () => setTimeout(join, 200);  // a release closes it: the next one is the new version's
  }
  document.querySelector("form").onsubmit = (event) => {
    event.preventDefault();
    wire.send(text.value);
    text.value = "";
  };
  join();
</script>
</html>
"""

visitors: set[WebSocket] = set()
said: deque[str] = deque(maxlen=50)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Send everybody to the next version when this one ends."""
    yield
    await asyncio.gather(*(visitor.close(COME_AGAIN) for visitor in visitors))


app = FastAPI(lifespan=lifespan)


@app.get("/health")
async def health() -> dict[str, str]:
    """Say that this version is ready."""
    return {"status": "ok", "version": VERSION}


@app.get("/")
async def page() -> HTMLResponse:
    """Return the page of the room."""
    return HTMLResponse(PAGE)


@app.websocket("/ws")
async def chat(visitor: WebSocket) -> None:
    """Tell a newcomer what was said, and everybody what they say."""
    await visitor.accept()
    visitors.add(visitor)
    try:
        await visitor.send_json({"version": VERSION, "line": ""})
        for line in said:
            await visitor.send_json({"version": VERSION, "line": line})
        while True:
            line = await visitor.receive_text()
            said.append(line[:1000])
            message = {"version": VERSION, "line": said[-1]}
            await asyncio.gather(*(each.send_json(message) for each in visitors))
    except WebSocketDisconnect:
        return
    finally:
        visitors.discard(visitor)
