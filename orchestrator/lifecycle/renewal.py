"""`certs`: which certificates are served, and how new ones get there without anything else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.errors import ConfigurationError, StackctlError
from orchestrator.gateway.container import fit_gateway
from orchestrator.lifecycle.certification import gather_certificates
from orchestrator.lifecycle.door import reconfigure
from orchestrator.lifecycle.findings import Findings
from orchestrator.lifecycle.issuance import Desk, Issuance
from orchestrator.release.gateway import require_gateway
from orchestrator.release.lock import hold_lock
from orchestrator.release.observe import observe
from orchestrator.release.recovery import recover

if TYPE_CHECKING:
    from orchestrator.certificates.table import Certificate, CertificateTable
    from orchestrator.engine.ports import Lease
    from orchestrator.engine.values import Container
    from orchestrator.lifecycle.certification import Certification
    from orchestrator.release.house import House
    from orchestrator.stack.model import Stack


@dataclass(frozen=True)
class Renewal:
    """What `certs renew` did."""

    served: CertificateTable
    added: tuple[Certificate, ...]
    removed: tuple[Certificate, ...]
    warnings: tuple[str, ...]
    failed: tuple[str, ...] = ()  # of what an authority did not issue


def renew_certificates(house: House, wait: float = 0.0, *, force: bool = False) -> Renewal:
    """Serve the certificates that stack.yaml names as they are now; one reload where any is new.

    An authority is asked for what ends soon and for what it wants to renew itself; with `force` for all
    that it issues. Raises StackctlError; then those that served still serve.
    """
    require_tls(house.stack)
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
        done = Issuance(wanted)
        if desk := _open_desk(house, lease, gateway, wanted):
            due = wanted.hosts if force else [*desk.find_due(), *desk.find_advised()]
            done = desk.issue(due)
    before, now = served.certificates, done.certification.table
    return Renewal(
        served=now,
        added=tuple(one for one in now.certificates if not before.has(one.id)),
        removed=tuple(one for one in before.certificates if not now.has(one.id)),
        warnings=wanted.warnings,
        failed=tuple(done.warnings),
    )


def take_in_issued(house: House, lease: Lease) -> list[str]:
    """Ask an authority for what is missing or ends soon; return what is to be warned of.

    Nothing is asked while the gateway has no door for TLS, which `up` says by itself.
    """
    tls = house.stack.gateway.tls
    if tls is None or tls.acme is None or not lease.held:
        return []
    snapshot = observe(house)
    gateway = snapshot.gateway
    if gateway is None or not gateway.running:
        return []
    if snapshot.config is None or fit_gateway(house.stack, gateway).gateway.tls is None:
        return []
    desk = _open_desk(house, lease, gateway, gather_certificates(house, snapshot))
    return desk.issue_due().warnings if desk else []


def _open_desk(
    house: House, lease: Lease, gateway: Container, wanted: Certification
) -> Desk | None:
    tls = house.stack.gateway.tls
    return Desk(house, lease, gateway, tls.acme, wanted) if tls and tls.acme else None


def list_certificates(house: House) -> CertificateTable:
    """Return the certificates that are served. Raises StackctlError where nobody can tell."""
    require_tls(house.stack)
    _, served = require_gateway(house.stack, observe(house))
    return served.certificates


def require_tls(stack: Stack) -> None:
    """Raise ConfigurationError where stack.yaml wants no TLS."""
    if stack.gateway.tls is None:
        raise ConfigurationError(
            "stack.yaml has no `gateway.tls`", "name a certificate there: see `docs/tls.md`"
        )
