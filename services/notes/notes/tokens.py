"""Access tokens: what is checked of one, and the keys that the auth service publishes for it."""

import asyncio
import logging
import time
from typing import Any
from uuid import UUID

import httpx
import jwt

from notes.access import InvalidTokenError, KeysAwayError

logger = logging.getLogger(__name__)

ALGORITHM = "EdDSA"
CURVE = "Ed25519"
ISSUER = "auth"
AUDIENCE = "platform"
CLAIMS = ["exp", "iss", "aud", "sub"]
LEEWAY_SECONDS = 5

# Keys are fetched again after this, and used on for as long as auth does not answer.
KEPT_SECONDS = 300.0

# Between two looks for a key that is not known: so much do forged tokens cost auth. As long as no
# key is known at all no token can be checked, so the looks come sooner.
LOOK_SECONDS = 5.0
FIRST_LOOK_SECONDS = 1.0

ANSWER_SECONDS = 2.0


class Keys:
    """The public keys, as auth published them last."""

    def __init__(self, url: str) -> None:
        """Say where they are published. The first look comes with the first key asked for."""
        self._url = url
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched = self._looked = -float("inf")
        self._looking: asyncio.Task[None] | None = None

    async def find(self, key_id: str) -> jwt.PyJWK:
        """Return a key. Raise `InvalidTokenError` if it is not published.

        Raise `KeysAwayError` if that cannot be told, because no key has ever been fetched.
        """
        if key_id not in self._keys:
            await self.look()
        elif time.monotonic() - self._fetched > KEPT_SECONDS:
            self._begin_look()  # beside the request, which has its key
        if not self._keys:
            raise KeysAwayError
        if key_id not in self._keys:
            raise InvalidTokenError("unknown key")
        return self._keys[key_id]

    async def look(self) -> None:
        """Fetch the keys, unless that was done just now; together with all who want it."""
        self._begin_look()
        if self._looking is not None:
            await asyncio.shield(self._looking)

    def _begin_look(self) -> None:
        pause = LOOK_SECONDS if self._keys else FIRST_LOOK_SECONDS
        if self._looking is None and time.monotonic() - self._looked >= pause:
            self._looking = asyncio.create_task(self._fetch())

    async def _fetch(self) -> None:
        try:
            if keys := signing_keys(await published(self._url)):
                self._keys = keys
                self._fetched = time.monotonic()
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            logger.warning("keys not fetched", extra={"error": repr(error)[:300]})
        finally:
            self._looked = time.monotonic()
            self._looking = None


async def published(url: str) -> Any:
    """Fetch a key set. Raise httpx's errors, or `ValueError` for what is not JSON."""
    secure = url.startswith("https:")  # without, the machine's certificates need not be read
    async with httpx.AsyncClient(timeout=ANSWER_SECONDS, verify=secure, trust_env=False) as client:
        answer = await client.get(url)
        return answer.raise_for_status().json()


def signing_keys(key_set: Any) -> dict[str, jwt.PyJWK]:
    """Take the keys that can have signed a token out of a key set, by their id."""
    listed = key_set.get("keys") if isinstance(key_set, dict) else None
    keys = {}
    for one in listed if isinstance(listed, list) else []:
        if isinstance(one, dict) and (one.get("crv"), one.get("use", "sig")) == (CURVE, "sig"):
            try:
                keys[str(one["kid"])] = jwt.PyJWK(one, ALGORITHM)
            except (jwt.PyJWTError, KeyError) as error:
                logger.warning("key not usable", extra={"error": repr(error)[:300]})
    return keys


async def user_of(token: str, keys: Keys) -> str:
    """Return the id of the user whose token this is. Raise `InvalidTokenError` if it is none."""
    try:
        header = jwt.get_unverified_header(token)
        if header["alg"] != ALGORITHM:
            raise InvalidTokenError("another algorithm")
        claims = jwt.decode(
            token,
            await keys.find(header["kid"]),
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=ISSUER,
            leeway=LEEWAY_SECONDS,
            options={"require": CLAIMS},
        )
        return str(UUID(claims["sub"]))
    except (jwt.PyJWTError, KeyError, ValueError) as error:
        raise InvalidTokenError(type(error).__name__) from error
