"""Access tokens: signed here, and verified by any service that has read the public keys."""

import time
from base64 import urlsafe_b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Any, Final, Literal
from uuid import UUID, uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import BaseModel

from auth.problems import RefusedError

ALGORITHM: Final = "EdDSA"
ISSUER = "auth"
AUDIENCE = "platform"
ACCESS_SECONDS = 15 * 60
LEEWAY_SECONDS = 5
CLAIMS = ("iss", "aud", "sub", "iat", "exp", "jti")


class PublicKey(BaseModel):
    """A key that verifies (RFC 8037)."""

    kty: Literal["OKP"] = "OKP"
    crv: Literal["Ed25519"] = "Ed25519"
    x: str
    kid: str
    use: Literal["sig"] = "sig"
    alg: Literal["EdDSA"] = ALGORITHM


class PublicKeys(BaseModel):
    """All keys whose tokens count (RFC 7517)."""

    keys: list[PublicKey]


class SigningKeys:
    """The first key signs. All verify, so that tokens outlive a change of keys."""

    def __init__(self, seeds: Sequence[bytes]) -> None:
        """Make the keys of their seeds."""
        self._keys = {key_id(key): key for key in map(Ed25519PrivateKey.from_private_bytes, seeds)}
        self._signing = next(iter(self._keys))

    def issue(self, user_id: UUID) -> str:
        """Sign a token for a user."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": str(user_id),
            "iat": now,
            "exp": now + ACCESS_SECONDS,
            "jti": uuid4().hex,
        }
        key = self._keys[self._signing]
        return jwt.encode(claims, key, ALGORITHM, headers={"kid": self._signing})

    def user_of(self, token: str) -> UUID:
        """Verify a token and name its user. Raise `RefusedError` (401), which says no more."""
        try:
            key = self._keys[jwt.get_unverified_header(token)["kid"]]
            claims: dict[str, Any] = jwt.decode(
                token,
                key.public_key(),
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                leeway=LEEWAY_SECONDS,
                options={"require": list(CLAIMS)},
            )
            return UUID(claims["sub"])
        except (jwt.InvalidTokenError, KeyError, ValueError, RecursionError):
            raise not_valid() from None

    def public(self) -> PublicKeys:
        """Publish all keys."""
        keys = [PublicKey(x=public_part(key), kid=kid) for kid, key in self._keys.items()]
        return PublicKeys(keys=keys)


def not_valid() -> RefusedError:
    """Refuse a token, whatever is wrong with it."""
    challenge = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
    return RefusedError(401, "the token is not valid", challenge)


def key_id(key: Ed25519PrivateKey) -> str:
    """Name a key by what it is, so that every replica and every start names it the same."""
    return sha256(key.public_key().public_bytes_raw()).hexdigest()[:16]


def public_part(key: Ed25519PrivateKey) -> str:
    """Write the public half as JSON Web Keys do."""
    return urlsafe_b64encode(key.public_key().public_bytes_raw()).decode().rstrip("=")
