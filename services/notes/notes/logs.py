"""Logs: one JSON object a line on stderr, each with the id of its request."""

import json
import logging
import re
import time
from contextvars import ContextVar
from datetime import UTC, datetime
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

_ACCEPTED_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_SERVER_PACKAGES: Final = {"uvicorn", "lifespan"}

# What begins an answer: to a request, to a WebSocket that is taken, and to one that is not.
_ANSWERS: Final = {"http.response.start", "websocket.accept", "websocket.http.response.start"}
_PLAIN_RECORD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
# uvicorn's copy of the message with colours in it
_NOT_LOGGED: Final = _PLAIN_RECORD | {"color_message"}


class JsonFormatter(logging.Formatter):
    """Write a record and its `extra` as one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one record."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (current := request_id.get()) is not None:
            line["request_id"] = current
        line.update((k, v) for k, v in vars(record).items() if k not in _NOT_LOGGED)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


class RequestContext:
    """Give each request an id: the gateway's `X-Request-ID`, or a new one; answer with it.

    Outermost, so that the answer to a failure carries the id as well.
    """

    def __init__(self, app: ASGIApp) -> None:
        """Wrap the whole app."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request under its id, and log it when the level is DEBUG."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        current = accepted_id(Headers(scope=scope).get("x-request-id")) or uuid4().hex
        request_id.set(current)  # the server runs each request in a context of its own
        started = time.perf_counter()

        async def send_with_id(message: Message) -> None:
            if message["type"] in _ANSWERS:
                message.setdefault("headers", [])
                MutableHeaders(scope=message)["X-Request-ID"] = current
                status = message.get("status", HTTPStatus.SWITCHING_PROTOCOLS)
                log_request(scope, status, time.perf_counter() - started)
            await send(message)

        await self.app(scope, receive, send_with_id)


def configure_logs(level: str) -> None:
    """Send every logger's lines through the JSON format."""
    stream = logging.StreamHandler()
    stream.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[stream], force=True)
    # At DEBUG these log each command with its content, and each poll of the event loop.
    logging.getLogger("pymongo").setLevel(logging.WARNING)
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    for name in ("httpx", "httpcore"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(of_the_server)


def of_the_server(record: logging.LogRecord) -> bool:
    """Leave out what is said of each WebSocket, by uvicorn with its client's address."""
    return record.levelno > logging.INFO or Path(record.pathname).parent.name in _SERVER_PACKAGES


def accepted_id(given: str | None) -> str | None:
    """Take a caller's id only if it is short and printable."""
    return given if given is not None and _ACCEPTED_ID.fullmatch(given) else None


def log_request(scope: Scope, status: int, seconds: float) -> None:
    """Log one request, from its start to the start of its answer."""
    if logger.isEnabledFor(logging.DEBUG):
        logger.debug(
            "request",
            extra={
                "method": scope.get("method", "GET"),
                "path": scope["path"],
                "status": status,
                "milliseconds": round(seconds * 1000, 1),
            },
        )
