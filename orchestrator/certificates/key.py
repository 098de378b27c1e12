"""The private key of a certificate: whether it can be read and used. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

SMALLEST_RSA = 2048  # bits; OpenSSL serves no smaller one
CURVES = ("secp256r1", "secp384r1")  # that every browser takes
CERTIFICATE_MARK = b"-----BEGIN CERTIFICATE-----"
KEY_MARK = b"PRIVATE KEY-----"
SWAPPED = "are `certificate` and `key` the wrong way round?"


def read_key(content: bytes, place: str) -> Any:
    """Return a private key of a PEM file. Raises ConfigurationError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    if KEY_MARK not in content:
        if CERTIFICATE_MARK in content:
            raise ConfigurationError(f"`{place}` holds a certificate and no key", SWAPPED)
        raise ConfigurationError(
            f"`{place}` holds no private key in PEM",
            "where it is DER: `openssl pkey -inform der -in KEY -out key.pem`",
        )
    try:
        return load_pem_private_key(content, password=None)
    except TypeError:
        raise ConfigurationError(
            f"the key in `{place}` has a passphrase, and nobody is there to type it when NGINX starts",
            "take it away: `umask 077; openssl pkey -in KEY -out key.pem`",
        ) from None
    except (ValueError, UnsupportedAlgorithm):  # its words may quote the key
        raise ConfigurationError(
            f"`{place}` holds a private key that cannot be read",
            "look at it: `openssl pkey -in KEY -noout -check`",
        ) from None


def name_kind(public: Any, place: str) -> str:
    """Return the kind of a public key: rsa, ec or ed25519. Raises ConfigurationError."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(public, rsa.RSAPublicKey):
        if public.key_size < SMALLEST_RSA:
            raise ConfigurationError(
                f"`{place}` has an RSA key of {public.key_size} bits, which no client takes any more",
                f"have it issued for an RSA key of {SMALLEST_RSA} bits, or for one of P-256",
            )
        return "rsa"
    if isinstance(public, ec.EllipticCurvePublicKey):
        return "ec"
    if isinstance(public, ed25519.Ed25519PublicKey):
        return "ed25519"
    raise ConfigurationError(
        f"`{place}` has a key of a kind that no client takes", "use RSA, or EC with P-256"
    )


def warn_of_key(private: Any, place: str) -> Iterator[str]:
    """Yield what browsers will not like."""
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    if isinstance(private, ed25519.Ed25519PrivateKey):
        yield f"`{place}` is an Ed25519 key: browsers do not take it; use RSA, or EC with P-256"
    elif isinstance(private, ec.EllipticCurvePrivateKey) and private.curve.name not in CURVES:
        yield f"`{place}` is a key of {private.curve.name}: browsers may not take it; use P-256"
