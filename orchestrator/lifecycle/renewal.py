"""`certs`: which certificates are served, and how new ones get there without anything else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.errors import ConfigurationError, StackctlError
from orchestrator.gateway.container import fit_gateway
from orchestrator.lifecycle.certification import gather_certificates
from orchestrator.lifecycle.door import Findings, reconfigure
from orchestrator.release.gateway import require_gateway
from orchestrator.release.lock import hold_lock
from orchestrator.release.observe import observe
from orchestrator.release.recovery import recover

if TYPE_CHECKING:
    from orchestrator.certificates.table import Certificate, CertificateTable
    from orchestrator.release.house import House


@dataclass(frozen=True)
class Renewal:
    """What `certs renew` did."""

    served: CertificateTable
    added: tuple[Certificate, ...]
    removed: tuple[Certificate, ...]
    warnings: tuple[str, ...]


def renew_certificates(house: House, wait: float = 0.0) -> Renewal:
    """Serve the certificates that stack.yaml names as they are now; one reload where any is new.

    Raises StackctlError; then those that served still serve.
    """
    _require_tls(house)
    with hold_lock(house, "certs renew", wait) as lease:
        recover(house, lease)
        snapshot = observe(house)
        gateway, served = require_gateway(house.stack, snapshot)
        if fit_gateway(house.stack, gateway).gateway.tls is None:
            raise StackctlError(
                "the gateway was made without a door for TLS",
                "`stackctl up --allow-downtime` makes it anew, at a time that suits you",
            )
        wanted = gather_certificates(house, snapshot)
        reconfigure(house, Findings(), wanted)
    before, now = served.certificates, wanted.table
    return Renewal(
        served=now,
        added=tuple(one for one in now.certificates if not before.has(one.id)),
        removed=tuple(one for one in before.certificates if not now.has(one.id)),
        warnings=wanted.warnings,
    )


def list_certificates(house: House) -> CertificateTable:
    """Return the certificates that are served. Raises StackctlError where nobody can tell."""
    _require_tls(house)
    _, served = require_gateway(house.stack, observe(house))
    return served.certificates


def _require_tls(house: House) -> None:
    if house.stack.gateway.tls is None:
        raise ConfigurationError(
            "stack.yaml has no `gateway.tls`", "name a certificate there: see `docs/tls.md`"
        )
