"""Whether the certificates that stack.yaml names can be served."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orchestrator.certificates.table import NO_CERTIFICATES, CertificateTable, warn_of_ends
from orchestrator.doctor.finding import Finding, approve, doubt, fault, warn
from orchestrator.doctor.gathering import Late
from orchestrator.errors import StackctlError
from orchestrator.gateway.config import Config, parse_config
from orchestrator.lifecycle.certification import RENEW, certify_stack

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

    from orchestrator.stack.model import Stack


class Seen(NamedTuple):
    """What the files hold, without the keys."""

    table: CertificateTable
    warnings: tuple[str, ...]
    at: datetime


def see_certificates(
    stack: Stack, folder: Path, now: datetime, ask: Callable[[], str] = str
) -> Seen | None:
    """Read the pairs as `up` does, and what an authority has issued; None where there is no TLS.

    `ask` returns the config that NGINX serves, or nothing. Raises ConfigurationError.
    """
    if stack.gateway.tls is None:
        return None
    served = parse_config(ask())
    known = served.certificates if isinstance(served, Config) else NO_CERTIFICATES
    found = certify_stack(stack, folder, now, known)
    return Seen(found.table, found.warnings, now)


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
    if ends := warn_of_ends(seen.table, seen.at, RENEW):
        text, _, mend = ends[0].partition(": ")
        return warn("certificates", text, mend)
    if seen.warnings:
        return warn("certificates", seen.warnings[0], "see `docs/tls.md`")
    if not seen.table:
        return approve("certificates", "an authority is asked for them: none is served yet")
    first = min(seen.table.certificates, key=lambda one: one.ends)
    return approve("certificates", f"each pair can be served, the first one until {first.end}")
