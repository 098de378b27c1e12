"""The certificates that `up` takes in: gathered and checked before anything is touched, then brought to
the gateway's volume with the config that names them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from orchestrator.certificates.own import read_own
from orchestrator.certificates.table import (
    NO_CERTIFICATES,
    CertificateTable,
    find_uncovered,
    keep_issued,
    warn_of_ends,
)
from orchestrator.release.observe import observe
from orchestrator.stack.arrival import list_hosts, list_names, list_patterns
from orchestrator.stack.hosts import is_address

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from orchestrator.certificates.pair import Pair
    from orchestrator.release.house import House
    from orchestrator.release.observe import Snapshot
    from orchestrator.stack.model import Stack

UNCOVERED = "no certificate names `{}`: it is served without TLS"
STARRED = (
    "`{}` is served without TLS: an authority issues nothing for a `*` by HTTP."
    " Name a certificate of your own, `gateway.tls.certificates`, or a program: `gateway.tls.acme.dns`"
)
ADDRESSED = (
    "`{}` is served without TLS: no certificate is asked for an address."
    " Give the route a name that leads there as well"
)
HOSTLESS = "no certificate is asked for, and nobody served with TLS: no route has a `host`"
RENEW = "renew it, then `stackctl certs renew`"


@dataclass(frozen=True)
class Certification:
    """The certificates that are to be served, with the keys of those that are not in the volume yet."""

    table: CertificateTable = NO_CERTIFICATES
    pairs: tuple[Pair, ...] = ()
    warnings: tuple[str, ...] = ()
    own: CertificateTable = NO_CERTIFICATES  # those of files
    hosts: tuple[str, ...] = ()  # whose certificates an authority issues
    directory: str = ""  # of the authority

    def keep(self, served: CertificateTable) -> Certification:
        """Return it with what an authority has issued and is served, or lies in the volume."""
        return replace(self, table=keep_issued(self.own, served, self.hosts, self.directory))


NOTHING = Certification()


def gather_certificates(house: House, snapshot: Snapshot | None = None) -> Certification:
    """Return what stack.yaml names, read and checked, and what an authority has issued before.

    Without a `snapshot` the stack is looked at, but only where there is TLS. Raises ConfigurationError.
    """
    if house.stack.gateway.tls is None:
        return NOTHING
    served = (snapshot or observe(house)).certificates
    return certify_stack(house.stack, house.folder, house.clock.now(), served)


def certify_stack(
    stack: Stack, folder: Path, now: datetime, served: CertificateTable
) -> Certification:
    """Return the same of a stack in a folder, beside what is `served`. Raises ConfigurationError."""
    tls = stack.gateway.tls
    if tls is None:
        return NOTHING
    over = [one.id for one in served.certificates]
    pairs = tuple(read_own(tls.certificates, folder, now, over))
    own = CertificateTable(tuple(pair.certificate for pair in pairs))
    uncovered = find_uncovered(own, _name_hosts(stack))
    warnings = [text for pair in pairs for text in pair.warnings]
    if tls.acme is None:
        warnings += map(UNCOVERED.format, uncovered)
        return Certification(own, pairs, (*warnings, *warn_of_ends(own, now, RENEW)), own)
    if tls.acme.dns is None:
        warnings += [STARRED.format(host) for host in uncovered if "*" in host]
    warnings += [ADDRESSED.format(host) for host in uncovered if is_address(host)]
    names = list_names(stack) if tls.acme.dns is None else list_patterns(stack)
    hosts = tuple(find_uncovered(own, [name for name in names if not is_address(name)]))
    if not hosts and not own:
        warnings.append(HOSTLESS)
    told = (*warnings, *warn_of_ends(own, now, RENEW))
    return Certification(own, pairs, told, own, hosts, tls.acme.directory).keep(served)


def _name_hosts(stack: Stack) -> list[str]:
    """Return the hosts that routes answer for."""
    routes = [(one, route) for one in stack.services.values() for route in one.routes]
    return list(dict.fromkeys(name for one, route in routes for name in list_hosts(one, route)))
