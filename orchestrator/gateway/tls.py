"""Which site is served with which certificate, and what NGINX is told of TLS. Pure."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.gateway.admin import TLS_PORT
from orchestrator.gateway.files import certificate_folder
from orchestrator.gateway.sites import OTHERWISE
from orchestrator.stack.hosts import find_closeness
from orchestrator.stack.quantities import HTTPS, write_port

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from orchestrator.certificates.table import Certificate, CertificateTable
    from orchestrator.gateway.sites import Site
    from orchestrator.stack.tls import Tls


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
        return write_port(self.port, HTTPS)


def secure(tls: Tls | None) -> Secured | None:
    """Return what NGINX is told; None where there is no TLS."""
    if tls is None:
        return None
    hsts = tls.hsts.value if tls.hsts else ""
    return Secured(TLS_PORT, tls.listen.port, tls.redirect, hsts, tls.http2)


def certify(sites: Iterable[Site], table: CertificateTable) -> Iterator[Site]:
    """Yield the sites, each with one set of certificates: names with other ones are another site.

    The site of all other hosts has no certificate, or clients would be sent from any host to one that
    no certificate names. A name that only a certificate has gets what its host has without it.
    """
    sites = list(sites)
    added: dict[Site, list[str]] = {site: [] for site in sites}
    for name in dict.fromkeys(name for one in table.certificates for name in one.names):
        owner = _find_owner(name, sites)
        if owner.is_default or name not in owner.names:
            added[owner].append(name)
    for site, names in added.items():
        if site.is_default:
            own = tuple(name for name in site.names if name not in names)
            yield site._replace(names=own or (OTHERWISE,))
            yield from _split(site._replace(names=tuple(names)), table)
        else:
            yield from _split(site._replace(names=(*site.names, *names)), table)


def _find_owner(name: str, sites: Sequence[Site]) -> Site:
    """Return the site that NGINX would choose for a name."""
    default, *others = sites
    close = [(find_closeness(site.names, name), site) for site in others]
    fitting = [(closeness, site) for closeness, site in close if closeness is not None]
    return max(fitting, key=lambda found: found[0], default=(0, default))[1]


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
