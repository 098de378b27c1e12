"""Which site is served with which certificate, and what NGINX is told of TLS. Pure."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.gateway.admin import TLS_PORT
from orchestrator.gateway.files import certificate_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from orchestrator.certificates.table import Certificate, CertificateTable
    from orchestrator.gateway.sites import Site
    from orchestrator.stack.tls import Tls

NAMELESS = ("nameless.invalid",)  # of the site of all other hosts, where a certificate has its name
USUAL_PORT = 443  # which no URL names


class Secured(NamedTuple):
    """What NGINX is told of TLS, for all sites that have it."""

    listen: int
    port: int  # that clients know it by
    redirect: bool
    hsts: str  # empty where nothing is said
    http2: bool

    @property
    def suffix(self) -> str:
        """Return what follows the host in a URL."""
        return "" if self.port == USUAL_PORT else f":{self.port}"


def secure(tls: Tls | None) -> Secured | None:
    """Return what NGINX is told; None where there is no TLS."""
    if tls is None:
        return None
    hsts = tls.hsts.value if tls.hsts else ""
    return Secured(TLS_PORT, tls.listen.port, tls.redirect, hsts, tls.http2)


def certify(sites: Iterable[Site], table: CertificateTable) -> Iterator[Site]:
    """Yield the sites, each with one set of certificates: names with other ones are another site.

    The site of all other hosts has no certificate, or clients would be sent from any host to one that
    no certificate names. What it has is also had by the names of certificates that no site names.
    """
    sites = list(sites)
    claimed = {name for site in sites if not site.is_default for name in site.names}
    named = dict.fromkeys(name for one in table.certificates for name in one.names)
    left = tuple(name for name in named if name not in claimed)
    for site in sites:
        if site.is_default:
            own = tuple(name for name in site.names if name not in left)
            yield site._replace(names=own or NAMELESS)
            yield from _split(site._replace(names=left), table)
        else:
            yield from _split(site, table)


def _split(site: Site, table: CertificateTable) -> Iterator[Site]:
    def find(name: str) -> tuple[Certificate, ...]:
        return table.of(name)

    names = sorted(site.names, key=lambda name: [one.id for one in find(name)])
    for certificates, group in groupby(names, key=find):
        kept = {*group}
        named = tuple(name for name in site.names if name in kept)
        yield site._replace(names=named, is_default=False, certificates=certificates)


def list_files(certificate: Certificate) -> tuple[str, str]:
    """Return where the chain of a certificate and its key lie in the gateway's container."""
    folder = certificate_folder(certificate.id)
    return f"{folder}/chain.pem", f"{folder}/key.pem"
