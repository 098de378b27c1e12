"""Who sends a request: the bearer token of its `Authorization` header."""

import asyncio
from importlib import import_module
from typing import Annotated, Any

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

# How long after the start the checks are made ready, unless a token comes before: the first answers
# belong to the gate of a release, which waits for them.
READY_SECONDS = 2.0


class NoTokenError(Exception):
    """The request needs a token and has none."""


class InvalidTokenError(Exception):
    """The token is not one of ours, or its time is over."""


class KeysAwayError(Exception):
    """No token can be checked: no key is known, and the auth service does not answer."""


class Access:
    """Checks tokens. What that takes is imported late: it would be a tenth of the boot."""

    def __init__(self, jwks_url: str) -> None:
        """Say where the keys are published."""
        self._jwks_url = jwks_url
        self._loading: asyncio.Task[Any] | None = None

    async def user_of(self, token: str) -> str:
        """Return the id of the user whose token this is. Raise if it cannot be told."""
        tokens, keys = await self._loaded()
        user: str = await tokens.user_of(token, keys)
        return user

    async def make_ready(self) -> None:
        """Import and fetch everything, so that the first token need not wait for it."""
        await asyncio.sleep(READY_SECONDS)
        _, keys = await self._loaded()
        await keys.look()

    async def _loaded(self) -> Any:
        if self._loading is None:
            self._loading = asyncio.create_task(self._load())
        return await asyncio.shield(self._loading)

    async def _load(self) -> Any:
        tokens = await asyncio.to_thread(import_module, "notes.tokens")
        return tokens, tokens.Keys(self._jwks_url)


bearer = HTTPBearer(
    bearerFormat="JWT", description="An access token of the auth service.", auto_error=False
)


async def signed_in_user(
    request: Request,
    credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)],
) -> str:
    """Tell who sends the request. Raise `NoTokenError` if nobody says so."""
    if credentials is None:
        raise NoTokenError
    access: Access = request.app.state.access
    return await access.user_of(credentials.credentials)


User = Annotated[str, Depends(signed_in_user)]
