"""Devices that have logged in before: a signed cookie says so, of one account each.

A cookie is neither a session nor half a password: it only spares its bearer the pauses that
strangers cause. It is signed rather than stored, so that a client that keeps no cookies leaves no row
behind with each of its logins.
"""

import hmac
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping, Sequence
from hashlib import sha256
from secrets import token_bytes
from typing import Literal, NamedTuple

from fastapi import Response

COOKIE_PATH = "/auth/login"
GOOD_SECONDS = 180 * 24 * 3600

_ID_BYTES = 16
_TIME_BYTES = 8


class Cookie(NamedTuple):
    """A cookie to be set."""

    name: str
    value: str

    def set_on(self, response: Response, *, secure: bool) -> None:
        """Set it, for logins only, and for no script and no other site."""
        same_site: Literal["strict"] = "strict"
        response.set_cookie(
            self.name,
            self.value,
            max_age=GOOD_SECONDS,
            path=COOKIE_PATH,
            secure=secure,
            httponly=True,
            samesite=same_site,
        )


class Devices:
    """Makes cookies with a key made of the first signing key, and knows those of all of them."""

    def __init__(self, seeds: Sequence[bytes]) -> None:
        """Make the keys."""
        self._keys = [hmac.digest(seed, b"devices", "sha256") for seed in seeds]

    def cookie_for(self, account: bytes) -> Cookie:
        """Make a cookie for a device that has just logged in to an account."""
        body = int(time.time()).to_bytes(_TIME_BYTES) + token_bytes(_ID_BYTES)
        key = self._keys[0]
        value = urlsafe_b64encode(body + signature(key, account, body)).decode()
        return Cookie(name_of(key, account), value)

    def known(self, cookies: Mapping[str, str], account: bytes) -> bytes | None:
        """Digest the device that brings these cookies. None: it has not logged in to the account."""
        for key in self._keys:
            body = body_of(cookies.get(name_of(key, account), ""), key, account)
            if body is not None:
                return sha256(b"device" + body).digest()
        return None


def body_of(value: str, key: bytes, account: bytes) -> bytes | None:
    """Read a cookie. None: it is not ours, of another account, or too old."""
    try:
        whole = urlsafe_b64decode(value)
    except ValueError:
        return None
    # The last letter has bits that nobody reads, and letters that are none are passed over.
    if urlsafe_b64encode(whole).decode() != value:
        return None
    body, signed = whole[: _TIME_BYTES + _ID_BYTES], whole[_TIME_BYTES + _ID_BYTES :]
    if not hmac.compare_digest(signed, signature(key, account, body)):
        return None
    age = time.time() - int.from_bytes(body[:_TIME_BYTES])
    return body if age < GOOD_SECONDS else None


def signature(key: bytes, account: bytes, body: bytes) -> bytes:
    """Sign a cookie for one account."""
    return hmac.digest(key, b"device" + account + body, "sha256")


def name_of(key: bytes, account: bytes) -> str:
    """Name an account's cookie, so that a browser keeps one of each who uses it. It tells nobody who."""
    return f"device-{hmac.digest(key, b'name' + account, 'sha256')[:8].hex()}"
