"""The certificates of a file, from the server's own to the last one before a root. Pure."""

from __future__ import annotations

import base64
from itertools import pairwise
from typing import TYPE_CHECKING

from orchestrator.certificates.key import CERTIFICATE_MARK, KEY_MARK, SWAPPED
from orchestrator.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from datetime import datetime

    from cryptography import x509

WEAK = ("md5", "sha1")
ORDER = "put the server's own certificate first, then the one that issued it, and so on"


def read_chain(content: bytes, place: str) -> list[x509.Certificate]:
    """Return the certificates of a PEM file. Raises ConfigurationError."""
    from cryptography import x509

    if CERTIFICATE_MARK not in content:
        if KEY_MARK in content:
            raise ConfigurationError(f"`{place}` holds a key and no certificate", SWAPPED)
        raise ConfigurationError(
            f"`{place}` holds no certificate in PEM",
            "where it is DER: `openssl x509 -inform der -in CERTIFICATE -out certificate.pem`",
        )
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        raise ConfigurationError(
            f"`{place}` holds a certificate that cannot be read",
            "look at it: `openssl x509 -in CERTIFICATE -noout -text`",
        ) from None


def require_chain(certificates: list[x509.Certificate], place: str, now: datetime) -> None:
    """Raise ConfigurationError where clients cannot follow the chain."""
    for one, issuer in pairwise(certificates):
        if not _is_issued_by(one, issuer):
            later = any(_is_issued_by(one, other) for other in certificates if other is not one)
            what = "are in the wrong order" if later else "do not belong together"
            raise ConfigurationError(f"the certificates in `{place}` {what}", ORDER)
    for one in certificates[1:]:
        if now >= one.not_valid_after_utc:
            raise ConfigurationError(
                f"a certificate in the chain of `{place}` ended on"
                f" {one.not_valid_after_utc:%Y-%m-%d}",
                "fetch the chain anew from who issued it",
            )
    for one in certificates:
        algorithm = one.signature_hash_algorithm
        if algorithm is not None and algorithm.name in WEAK and one.issuer != one.subject:
            raise ConfigurationError(
                f"`{place}` is signed with {algorithm.name.upper()}, which no client takes any more",
                "have it issued anew, with SHA-256",
            )


def _is_issued_by(one: x509.Certificate, issuer: x509.Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        one.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def warn_of_chain(
    certificates: list[x509.Certificate],
    place: str,
    roots: Callable[[], Collection[bytes] | None],
) -> Iterator[str]:
    """Yield that a certificate may be missing; `roots` returns the names of trusted ones, as DER."""
    last = certificates[-1]
    known = None if last.issuer == last.subject else roots()
    if known is not None and last.issuer.public_bytes() not in known:
        issuer = last.issuer.rfc4514_string()
        yield (
            f"the chain in `{place}` ends with what `{issuer}` has issued, which is no root that this"
            " machine knows: is the certificate of that issuer missing in the file?"
        )


def name_replaced(chain: bytes) -> str:
    """Return what a new order calls the first certificate of a chain (RFC 9773); empty where it has no such name.

    An authority does not count an order against its limits that replaces what it has issued.
    """
    from cryptography import x509

    try:
        leaf = x509.load_pem_x509_certificates(chain)[0]
        found = leaf.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
    except (ValueError, x509.ExtensionNotFound):
        return ""
    serial, issuer = leaf.serial_number, found.key_identifier
    shown = serial.to_bytes(serial.bit_length() // 8 + 1)  # as DER has it: with room for a sign
    return f"{_encode(issuer)}.{_encode(shown)}" if issuer else ""


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
