"""The public door for TLS, as a witness comes to it: by a name, and never past another certificate."""

from __future__ import annotations

import hashlib
import os
import ssl
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from orchestrator.certificates.table import CertificateTable
    from orchestrator.stack.quantities import Address

HTTP1 = ("http/1.1",)  # as TLS names it
DIGITS = 32  # of a hash with which the id of a certificate begins


class SecureDoor(NamedTuple):
    """Where clients are served with TLS, and by which certificates."""

    address: Address
    table: CertificateTable
    host: str | None = (
        None  # by which a service comes that answers for every host; None: without TLS
    )

    trusted: bool = False  # whether certificates are to be those that this machine trusts

    def serves(self, host: str) -> bool:
        """Whether clients of a host come here; it may have a port."""
        return self.trusted or bool(self.table.of(name_host(host)))

    def knows(self, host: str, certificate: bytes) -> bool:
        """Whether a certificate, as DER, is one that the gateway has for a host; a trusted one is right."""
        if self.trusted:
            return True
        shown = hashlib.sha256(certificate).hexdigest()[:DIGITS]
        return any(one.id.startswith(shown) for one in self.table.of(name_host(host)))


def name_host(host: str) -> str:
    """Return a host without its port."""
    return host.partition(":")[0]


def make_context(protocols: tuple[str, ...] = HTTP1, *, trusted: bool = False) -> ssl.SSLContext:
    """Return how a witness shakes hands: by any certificate, which it compares by itself.

    Whether clients trust who issued it is not what a release changes; of a proxy it must be `trusted`.
    """
    if trusted:
        around = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
        return _trust(protocols, *around)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([*protocols])
    return context


@cache
def _trust(protocols: tuple[str, ...], *_: str | None) -> ssl.SSLContext:
    """Return how clients shake hands that trust this machine's roots, or those that the variables name.

    To read these takes many times what a handshake takes.
    """
    context = ssl.create_default_context()
    context.set_alpn_protocols([*protocols])
    return context
