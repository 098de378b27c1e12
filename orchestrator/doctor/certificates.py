"""Whether the certificates that stack.yaml names can be served."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orchestrator.certificates.own import read_own
from orchestrator.certificates.table import CertificateTable, warn_of_ends
from orchestrator.doctor.finding import Finding, approve, doubt, fault, warn
from orchestrator.doctor.gathering import Late
from orchestrator.errors import StackctlError

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from orchestrator.stack.tls import Tls

MEND = "have it renewed, then `stackctl certs renew`"


class Seen(NamedTuple):
    """What the files hold, without the keys."""

    table: CertificateTable
    warnings: tuple[str, ...]
    at: datetime


def see_certificates(tls: Tls | None, folder: Path, now: datetime) -> Seen | None:
    """Read the pairs as `up` will; None where there is no TLS. Raises ConfigurationError."""
    if tls is None:
        return None
    pairs = tuple(read_own(tls.certificates, folder, now))
    warnings = tuple(text for pair in pairs for text in pair.warnings)
    return Seen(CertificateTable(tuple(pair.certificate for pair in pairs)), warnings, now)


def judge_certificates(seen: Seen | StackctlError | None) -> Finding | None:
    """Say whether `up` would take them; None where none are wanted."""
    if seen is None:
        return None
    if isinstance(seen, Late):
        return doubt("certificates", f"they cannot be read: {seen.message}")
    if isinstance(seen, StackctlError):
        return fault("certificates", seen.message, seen.hint or "see `docs/tls.md`")
    if seen.warnings:
        return warn("certificates", seen.warnings[0], "see `docs/tls.md`")
    if ends := warn_of_ends(seen.table, seen.at, ""):
        return warn("certificates", ends[0].removesuffix(": "), MEND)
    first = min(seen.table.certificates, key=lambda one: one.ends)
    return approve("certificates", f"each pair can be served, the first one until {first.end}")
