"""Who asks: access tokens, verified with the keys that the auth service publishes."""

import asyncio
import base64
import logging
import time
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from assets.problems import RETRY, Refusal
from assets.storage import in_thread

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

logger = logging.getLogger(__name__)

ISSUER = "auth"
AUDIENCE = "platform"
LEEWAY_SECONDS = 5
MAX_TOKEN_CHARACTERS = 4096

# Keys are good for so long, and are fetched anew a little earlier, while nobody waits.
KEYS_SECONDS = 300.0
EARLY_SECONDS = 60.0
# Unknown keys, or an auth service that is away, cause no more than one fetch in so long: while
# there are keys, and while there are none.
PAUSE_SECONDS = 5.0
FIRST_PAUSE_SECONDS = 1.0
FETCH_SECONDS = 3.0
MAX_KEYS_BYTES = 64 * 2**10


class MissingTokenError(Refusal):
    """A token is needed, and none was sent."""

    status = 401
    headers = {"WWW-Authenticate": "Bearer"}  # noqa: RUF012  nobody changes it

    def __init__(self) -> None:
        super().__init__("a token is needed")


class InvalidTokenError(Refusal):
    """The token is not one of ours, or no longer. Why is not for the client to know."""

    status = 401
    headers = {"WWW-Authenticate": 'Bearer error="invalid_token"'}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__("the token is not valid")


class KeysAwayError(Refusal):
    """No key is known, and the auth service does not answer."""

    status = 503
    headers = RETRY

    def __init__(self) -> None:
        super().__init__("tokens cannot be verified now")


class Keys:
    """The public keys of the auth service, as it published them last."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._keys: dict[str, Ed25519PublicKey] = {}
        self._fetched = self._tried = -KEYS_SECONDS
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, key_id: str) -> "Ed25519PublicKey":
        """Return the key with this id; fetch the keys if that may help."""
        age = time.monotonic() - self._fetched
        if key_id not in self._keys or age >= KEYS_SECONDS:
            await self.refresh()
        elif age >= KEYS_SECONDS - EARLY_SECONDS:
            self._start_fetching()
        if not self._keys:
            raise KeysAwayError
        if key_id not in self._keys:
            raise InvalidTokenError
        return self._keys[key_id]

    async def refresh(self) -> None:
        """Fetch the keys, together with all who wait for them, unless that was tried just now."""
        self._start_fetching()
        if self._fetching is not None:
            await asyncio.shield(self._fetching)

    def _start_fetching(self) -> None:
        if self._fetching is not None and not self._fetching.done():
            return
        self._fetching = None
        pause = PAUSE_SECONDS if self._keys else FIRST_PAUSE_SECONDS
        if time.monotonic() - self._tried >= pause:
            self._tried = time.monotonic()
            self._fetching = asyncio.create_task(self._fetch())

    async def _fetch(self) -> None:
        """Replace the keys. If that fails, those that are known stay."""
        await in_thread(load_libraries)
        import httpx

        try:
            async with asyncio.timeout(FETCH_SECONDS):
                self._keys = public_keys(await published(self._url))
        except (httpx.HTTPError, TimeoutError, LookupError, ValueError) as error:
            logger.warning("keys could not be fetched", extra={"error": repr(error)[:300]})
        else:
            self._fetched = time.monotonic()


def load_libraries() -> None:
    """Import what takes long, so that neither the boot nor a request waits for it."""
    import httpx  # noqa: F401
    import jwt.algorithms  # noqa: F401


async def published(url: str) -> Any:
    """Ask for the key set, of a size that such a set may have."""
    import json

    import httpx

    # Without TLS there is nothing to verify, and reading the certificates takes long.
    secure = url.startswith("https:")
    async with (
        httpx.AsyncClient(verify=secure, trust_env=False, timeout=FETCH_SECONDS) as client,
        client.stream("GET", url) as answer,
    ):
        answer.raise_for_status()
        body = b""
        async for chunk in answer.aiter_bytes():
            body += chunk
            if len(body) > MAX_KEYS_BYTES:
                raise ValueError("the key set is too large")
    return json.loads(body)


def public_keys(document: Any) -> dict[str, "Ed25519PublicKey"]:
    """Read the keys of a key set that may sign our tokens. Raise `LookupError` if none may."""
    listed = document.get("keys") if isinstance(document, dict) else None
    keys = {}
    for key in listed if isinstance(listed, list) else ():
        if (public := public_key(key)) is not None:
            keys[key["kid"]] = public
    if not keys:
        raise LookupError("the key set has no key for tokens")
    return keys


def public_key(key: Any) -> "Ed25519PublicKey | None":
    """Read one key of a key set. None: it is for something else, or makes no sense."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    if not isinstance(key, dict) or (key.get("kty"), key.get("crv")) != ("OKP", "Ed25519"):
        return None
    raw, key_id = key.get("x"), key.get("kid")
    if not isinstance(raw, str) or not isinstance(key_id, str):
        return None
    try:
        return Ed25519PublicKey.from_public_bytes(base64.urlsafe_b64decode(raw + "=="))
    except ValueError:
        return None


async def user_of(token: str, keys: Keys) -> UUID:
    """Return the user that a token names. Raise `InvalidTokenError` for any that is not right."""
    await in_thread(load_libraries)
    import jwt

    if len(token) > MAX_TOKEN_CHARACTERS:
        raise InvalidTokenError
    try:
        claimed = jwt.get_unverified_header(token)
        key = await keys.find(str(claimed.get("kid", "")))
        claims = jwt.decode(
            token,
            key,
            algorithms=["EdDSA"],
            audience=AUDIENCE,
            issuer=ISSUER,
            leeway=LEEWAY_SECONDS,
            options={"require": ["iss", "aud", "exp", "sub"]},
        )
        return UUID(claims["sub"])
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        logger.info("token refused", extra={"reason": type(error).__name__})
        raise InvalidTokenError from None


_bearer = HTTPBearer(auto_error=False)


async def signed_in_user(
    request: Request, given: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> UUID:
    """Hand a route the user who asks."""
    if given is None:
        raise MissingTokenError
    return await user_of(given.credentials, request.app.state.keys)


User = Annotated[UUID, Depends(signed_in_user)]
