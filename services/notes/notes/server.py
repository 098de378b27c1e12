"""The HTTP server around the app: sockets, timeouts and signals."""

import asyncio
import os
import socket
import sys
from typing import Any, cast

import uvicorn
from pydantic import ValidationError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from notes.app import create_app
from notes.logs import configure_logs
from notes.problems import problem
from notes.settings import Settings, read_settings

# The gateway keeps idle connections to this service open and sends the next request on them.
# Whoever closes first must be the gateway, or a request meets a socket that has just been closed:
# so this stays above the gateway's `keepalive_timeout` towards its upstreams (60 s by default).
KEEP_ALIVE_SECONDS = 75

# What is in flight at SIGTERM may take this long. Below the 10 s after which `docker stop` kills,
# and above the slowest answer of a database that hangs, 6 s. A release drains first, so only a stop
# by hand meets requests at all.
STOP_SECONDS = 8

# What a WebSocket's client may send at a time: it has nothing to say but `ping`.
MESSAGE_BYTES = 1024


def serve() -> None:
    """Run until a signal ends the server. Exit with 2 if the environment is not valid."""
    try:
        settings = read_settings(os.environ)
    except ValidationError as error:
        sys.exit(refusal(error))
    configure_logs(settings.log_level)
    stopping = asyncio.Event()
    Server(server_config(settings, stopping), stopping).run()


class Server(uvicorn.Server):
    """A server that tells the app when it is about to stop.

    uvicorn tells it after the last answer has ended, and the streams of the feed would never end.
    """

    def __init__(self, config: uvicorn.Config, stopping: asyncio.Event) -> None:
        """Say what is set at the stop."""
        super().__init__(config)
        self._stopping = stopping

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop, having said so."""
        self._stopping.set()
        await super().shutdown(sockets)


class HttpProtocol(HttpToolsProtocol):
    """HTTP that answers what cannot be read as every other fault is answered."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  the base class's words
        """Refuse with a problem document, and hang up."""
        refusal = problem(400, "the request is not valid HTTP", headers={"Connection": "close"})
        head = [b"HTTP/1.1 400 Bad Request", *(b"%b: %b" % each for each in refusal.raw_headers)]
        self.transport.write(b"\r\n".join([*head, b"", bytes(refusal.body)]))
        self.transport.close()


def server_config(settings: Settings, stopping: asyncio.Event) -> uvicorn.Config:
    """Say how uvicorn serves the app."""
    return uvicorn.Config(
        create_app(settings, stopping),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=HttpProtocol,
        ws=cast("Any", websocket_protocol),
        ws_max_size=MESSAGE_BYTES,
        ws_per_message_deflate=False,
        lifespan="on",
        log_config=None,
        access_log=False,  # the gateway writes the access log
        server_header=False,
        proxy_headers=False,  # nothing here depends on the client's address or scheme
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


def websocket_protocol(**settings: Any) -> asyncio.Protocol:
    """Make the protocol of one WebSocket; uvicorn's own name for it would be imported at the boot."""
    from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

    return WebSocketsSansIOProtocol(**settings)


def refusal(error: ValidationError) -> int:
    """Name on stderr each setting that is wrong, never its value, which may hold a password."""
    for fault in error.errors(include_url=False, include_input=False):
        sys.stderr.write(f"setting {fault['loc'][0]}: {fault['msg']}\n")
    return 2
