"""The bound on a request's body."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from auth.problems import problem

# Well above the largest request that can be valid, an e-mail and a password of escaped characters.
MAX_REQUEST_BYTES = 16 * 1024

_TOO_LARGE = f"a request's body may have {MAX_REQUEST_BYTES} bytes"


class BodyLimit:
    """Refuse a body with 413 as soon as it is known to be too large."""

    def __init__(self, app: ASGIApp) -> None:
        """Wrap what reads bodies."""
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse by the length announced, or else while the body comes in."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        if int(Headers(scope=scope).get("content-length", "0")) > MAX_REQUEST_BYTES:
            await problem(413, _TOO_LARGE)(scope, receive, send)
            return
        taken = 0

        async def receive_within_limit() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > MAX_REQUEST_BYTES:
                raise HTTPException(413, _TOO_LARGE)
            return message

        await self.app(scope, receive_within_limit, send)
