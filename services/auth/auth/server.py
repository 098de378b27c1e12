"""The HTTP server around the app: sockets, timeouts and signals."""

import os
import sys

import uvicorn
from pydantic import ValidationError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from auth.app import create_app
from auth.logs import configure_logs
from auth.problems import problem
from auth.settings import Settings, read_settings, refusal

# The gateway keeps idle connections to this service open and sends the next request on them.
# Whoever closes first must be the gateway, or a request meets a socket that has just been closed:
# so this stays above the gateway's `keepalive_timeout` towards its upstreams.
KEEP_ALIVE_SECONDS = 75

# What is in flight at SIGTERM may take this long: below the 10 s after which the engine kills. A
# release drains first, so only a stop by hand meets requests at all.
STOP_SECONDS = 8


def serve() -> None:
    """Run until a signal ends the server. Exit with 2 if the environment is not valid."""
    try:
        settings = read_settings(os.environ)
    except ValidationError as error:
        sys.exit(refusal(error))
    configure_logs(settings.log_level)
    uvicorn.Server(server_config(settings)).run()


class HttpProtocol(HttpToolsProtocol):
    """HTTP that answers what cannot be read as every other fault is answered."""

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  the base class's words
        """Refuse with a problem document, and hang up."""
        refusal = problem(400, "the request is not valid HTTP", headers={"Connection": "close"})
        head = [b"HTTP/1.1 400 Bad Request", *(b"%b: %b" % each for each in refusal.raw_headers)]
        self.transport.write(b"\r\n".join([*head, b"", bytes(refusal.body)]))
        self.transport.close()


def server_config(settings: Settings) -> uvicorn.Config:
    """Say how uvicorn serves the app."""
    return uvicorn.Config(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        loop="uvloop",
        http=HttpProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,  # the gateway writes the access log
        server_header=False,
        proxy_headers=False,  # `clients.py` reads the one header that matters
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
