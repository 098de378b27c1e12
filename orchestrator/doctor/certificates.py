"""Whether the certificates that stack.yaml names can be served."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orchestrator.certificates.own import read_own
from orchestrator.certificates.table import CertificateTable, warn_of_ends
from orchestrator.doctor.finding import Finding, approve, doubt, fault, warn
from orchestrator.doctor.gathering import Late
from orchestrator.errors import StackctlError
from orchestrator.gateway.config import Config, parse_config

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from orchestrator.stack.tls import Tls

MEND = "have it renewed, then `stackctl certs renew`"


class Seen(NamedTuple):
    """What the files hold, without the keys."""

    table: CertificateTable
    warnings: tuple[str, ...]
    at: datetime


def see_certificates(
    tls: Tls | None, folder: Path, now: datetime, ask: Callable[[], str] = str
) -> Seen | None:
    """Read the pairs as `up` will, and what an authority has issued; None where there is no TLS.

    `ask` returns the config that NGINX serves, or nothing. Raises ConfigurationError.
    """
    if tls is None:
        return None
    pairs = tuple(read_own(tls.certificates, folder, now))
    warnings = tuple(text for pair in pairs for text in pair.warnings)
    own = tuple(pair.certificate for pair in pairs)
    served = parse_config(ask()) if tls.acme else None
    known = served.certificates.certificates if isinstance(served, Config) else ()
    issued = tuple(one for one in known if one.directory)
    return Seen(CertificateTable((*own, *issued)), warnings, now)


def judge_certificates(seen: Seen | StackctlError | None) -> Finding | None:
    """Say whether `up` would take them; None where none are wanted."""
    if seen is None:
        return None
    if isinstance(seen, Late):
        return doubt("certificates", f"they cannot be read: {seen.message}")
    if isinstance(seen, StackctlError):
        return fault("certificates", seen.message, seen.hint or "see `docs/tls.md`")
    return _judge_seen(seen)


def _judge_seen(seen: Seen) -> Finding:
    if seen.warnings:
        return warn("certificates", seen.warnings[0], "see `docs/tls.md`")
    if ends := warn_of_ends(seen.table, seen.at, ""):
        text, _, mend = ends[0].partition(": ")
        return warn("certificates", text, mend or MEND)
    if not seen.table:
        return approve("certificates", "an authority is asked for them: none is served yet")
    first = min(seen.table.certificates, key=lambda one: one.ends)
    return approve("certificates", f"each pair can be served, the first one until {first.end}")
