"""The certificates that `up` takes in: gathered and checked before anything is touched, then brought to
the gateway's volume with the config that names them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.certificates.own import read_own
from orchestrator.certificates.table import (
    NO_CERTIFICATES,
    CertificateTable,
    find_uncovered,
    warn_of_ends,
)
from orchestrator.release.observe import observe
from orchestrator.stack.arrival import list_hosts

if TYPE_CHECKING:
    from orchestrator.certificates.pair import Pair
    from orchestrator.release.house import House
    from orchestrator.release.observe import Snapshot

UNCOVERED = "no certificate names `{}`: it is served without TLS"
RENEW = "renew it, then `stackctl certs renew`"


@dataclass(frozen=True)
class Certification:
    """The certificates that are to be served, with their keys."""

    table: CertificateTable = NO_CERTIFICATES
    pairs: tuple[Pair, ...] = ()
    warnings: tuple[str, ...] = ()


NOTHING = Certification()


def gather_certificates(house: House, snapshot: Snapshot | None = None) -> Certification:
    """Return what stack.yaml names, read and checked. Raises ConfigurationError.

    Without a `snapshot` the stack is looked at, but only where there is TLS.
    """
    tls, now = house.stack.gateway.tls, house.clock.now()
    if tls is None:
        return NOTHING
    served = (snapshot or observe(house)).certificates
    over = [one.id for one in served.certificates]
    pairs = tuple(read_own(tls.certificates, house.folder, now, over))
    table = CertificateTable(tuple(pair.certificate for pair in pairs))
    warnings = [text for pair in pairs for text in pair.warnings]
    warnings += [UNCOVERED.format(host) for host in find_uncovered(table, _name_hosts(house))]
    return Certification(table, pairs, (*warnings, *warn_of_ends(table, now, RENEW)))


def _name_hosts(house: House) -> list[str]:
    """Return the hosts that routes answer for."""
    routes = [(one, route) for one in house.stack.services.values() for route in one.routes]
    return list(dict.fromkeys(name for one, route in routes for name in list_hosts(one, route)))
