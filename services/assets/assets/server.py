"""The HTTP server around the app: sockets, timeouts and signals."""

import os
import sys

import uvicorn
from pydantic import ValidationError
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from assets.app import create_app
from assets.logs import configure_logs
from assets.problems import problem
from assets.settings import Settings, read_settings

# The gateway keeps idle connections to this service open and sends the next request on them.
# Whoever closes first must be the gateway, or a request meets a socket that has just been closed:
# so this stays above the gateway's `keepalive_timeout` towards its upstreams (60 s by default).
KEEP_ALIVE_SECONDS = 75


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
        proxy_headers=False,  # nothing here depends on the client's address or scheme
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=settings.stop_seconds,
    )


def refusal(error: ValidationError) -> int:
    """Name on stderr each setting that is wrong, never its value, which may hold a password."""
    for fault in error.errors(include_url=False, include_input=False):
        sys.stderr.write(f"setting {fault['loc'][0]}: {fault['msg']}\n")
    return 2
