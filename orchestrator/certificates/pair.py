"""A certificate with its key: whether the two can be served, told before anybody serves them. Pure.

NGINX takes a key that does not fit, and a chain in any order: clients are who then fail.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.certificates.chain import read_chain, require_chain, warn_of_chain
from orchestrator.certificates.key import name_kind, read_key, warn_of_key
from orchestrator.certificates.table import Certificate, pick_names, show_issuer
from orchestrator.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from cryptography import x509

SERVER_AUTH = "1.3.6.1.5.5.7.3.1"
ANY_PURPOSE = "2.5.29.37.0"


@dataclass(frozen=True)
class Pair:
    """A chain of certificates, and the key of its first one, both as PEM."""

    certificate: Certificate
    chain: bytes = field(repr=False)
    key: bytes = field(repr=False)
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Source:
    """Where a pair comes from, as errors name it."""

    certificate: str
    key: str


def read_pair(
    chain: bytes,
    key: bytes,
    source: Source,
    now: datetime,
    *,
    roots: Callable[[], Collection[bytes] | None] = lambda: None,
    over: Collection[str] = (),
) -> Pair:
    """Return a pair that can be served.

    `roots` returns the names of those that this machine trusts, as DER; None: they are not known. The
    ids of what serves already are `over`: that its time is, is no error then, since to refuse it would
    help nobody. Raises ConfigurationError with the first thing that is wrong.
    """
    certificates = read_chain(chain, source.certificate)
    private = read_key(key, source.key)
    _require_fit(certificates, private, source)
    found = _describe(certificates, source.certificate)
    require_chain(certificates, source.certificate, now)
    if found.id not in over:
        _require_time(found, source.certificate, now)
    warnings = [*warn_of_key(private, source.key)]
    warnings += warn_of_chain(certificates, source.certificate, roots)
    from cryptography.hazmat.primitives import serialization

    pem = serialization.Encoding.PEM
    return Pair(
        certificate=found,
        chain=b"".join(one.public_bytes(pem) for one in certificates),
        key=private.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        warnings=tuple(warnings),
    )


def _require_fit(certificates: list[x509.Certificate], private: object, source: Source) -> None:
    wanted = _print_key(private.public_key())  # type: ignore[attr-defined]
    if _print_key(certificates[0].public_key()) == wanted:
        return
    if any(_print_key(one.public_key()) == wanted for one in certificates):
        raise ConfigurationError(
            f"`{source.certificate}` does not begin with the certificate of its key",
            "put the server's own certificate first, then the one that issued it, and so on",
        )
    raise ConfigurationError(
        f"`{source.key}` is not the key of `{source.certificate}`",
        "name the two files that were made together; was one of them renewed alone?",
    )


def _print_key(public: object) -> bytes:
    from cryptography.hazmat.primitives import serialization

    form = serialization.PublicFormat.SubjectPublicKeyInfo
    return public.public_bytes(serialization.Encoding.DER, form)  # type: ignore[attr-defined, no-any-return]


def _describe(certificates: list[x509.Certificate], place: str) -> Certificate:
    from cryptography.hazmat.primitives import serialization

    leaf = certificates[0]
    ders = [one.public_bytes(serialization.Encoding.DER) for one in certificates]
    own, chain = (hashlib.sha256(data).hexdigest() for data in (ders[0], b"".join(ders)))
    _require_purpose(leaf, place)
    return Certificate(
        id=f"{own[:32]}-{chain[:8]}",
        kind=name_kind(leaf.public_key(), place),
        names=_read_names(leaf, place),
        begins=int(leaf.not_valid_before_utc.timestamp()),
        ends=int(leaf.not_valid_after_utc.timestamp()),
        issuer=show_issuer(name_subject(leaf.issuer)),
    )


def name_subject(name: x509.Name) -> str:
    """Return the common name, or what else there is."""
    from cryptography.x509.oid import NameOID

    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(common[0].value) if common else name.rfc4514_string()


def _read_names(leaf: x509.Certificate, place: str) -> tuple[str, ...]:
    from cryptography import x509

    try:
        found = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        raise ConfigurationError(
            f"`{place}` names no host: it has no subjectAltName, and no client looks elsewhere",
            "have it issued with the hosts as `DNS:…` in subjectAltName",
        ) from None
    names = pick_names(found.get_values_for_type(x509.DNSName))
    if not names and found.get_values_for_type(x509.IPAddress):
        raise ConfigurationError(
            f"`{place}` names addresses only, and a client that comes by one does not say it",
            "have it issued for a name that leads there, as `DNS:…` in subjectAltName",
        )
    if not names:
        raise ConfigurationError(
            f"`{place}` names no host in its subjectAltName",
            "have it issued with the hosts as `DNS:…` in subjectAltName",
        )
    return names


def _require_purpose(leaf: x509.Certificate, place: str) -> None:
    from cryptography import x509

    try:
        found = leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return
    if {SERVER_AUTH, ANY_PURPOSE}.isdisjoint(use.dotted_string for use in found):
        raise ConfigurationError(
            f"`{place}` is not for servers: its extended key usage has no `serverAuth`",
            "have it issued for servers",
        )


def _require_time(found: Certificate, place: str, now: datetime) -> None:
    if now.timestamp() < found.begins:
        raise ConfigurationError(
            f"`{place}` is not valid yet", "is this machine's clock right? `date -u` tells"
        )
    if found.is_over(now):
        raise ConfigurationError(
            f"`{place}` ended on {found.end}", "have it renewed, then the same command again"
        )
