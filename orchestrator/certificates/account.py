"""Who asks a certificate authority: an account, its key, and the print of it that the authority looks for."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field

from orchestrator.errors import ConfigurationError

CHALLENGES = "/.well-known/acme-challenge/"  # where an authority looks, by HTTP and at port 80
PRINT = re.compile(r"[A-Za-z0-9_-]{43}")  # a SHA-256


@dataclass(frozen=True)
class Account:
    """An account at the authority that a URL leads to."""

    directory: str
    key: bytes = field(repr=False)  # PEM
    email: str | None = None
    profile: str | None = None  # of the certificates that are asked for; None: the authority's own


def make_key() -> bytes:
    """Return a new private key as PEM."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    form = serialization.PrivateFormat.PKCS8
    key = ec.generate_private_key(ec.SECP256R1())
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def print_key(key: bytes) -> str:
    """Return the thumbprint of a key that `make_key` has made (RFC 7638); it is no secret.

    Raises ConfigurationError where it is none of them.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    try:
        read = serialization.load_pem_private_key(key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        read = None
    if not isinstance(read, ec.EllipticCurvePrivateKey) or read.key_size != 256:
        raise ConfigurationError("the key of the account is damaged")
    point = read.public_key().public_numbers()
    x, y = (_encode(number.to_bytes(32)) for number in (point.x, point.y))
    members = {"crv": "P-256", "kty": "EC", "x": x, "y": y}  # in this order
    return _encode(hashlib.sha256(json.dumps(members, separators=(",", ":")).encode()).digest())


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
