"""`stackctl certs`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from orchestrator.commands.options import Wait

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.certificates.table import Certificate, CertificateTable
    from orchestrator.console import Console
    from orchestrator.release.house import House

HEAD = ("names", "ends", "left", "key", "issuer")


def certs(
    context: typer.Context,
    action: Annotated[
        Literal["list", "show", "renew"], typer.Argument(help="What to do with the certificates.")
    ],
    host: Annotated[
        str | None, typer.Argument(help="For `show`: the host that a client asks for.")
    ] = None,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="For `renew`: ask an authority for all, not only what ends soon."
        ),
    ] = False,
    wait: Wait = 0,
) -> int:
    """List the certificates, or have renewed ones served.

    `certs list`, `certs show HOST`, `certs renew`
    """
    from orchestrator.commands.opening import opened
    from orchestrator.errors import ConfigurationError
    from orchestrator.lifecycle.renewal import list_certificates, renew_certificates

    if (host is not None) != (action == "show"):
        raise ConfigurationError(
            "`show` is for one host, and only it", "`stackctl certs show shop.example`"
        )
    if force and action != "renew":
        raise ConfigurationError("`--force` is for `renew`", "`stackctl certs renew --force`")
    with opened(context.obj) as (house, console):
        if action == "renew":
            return _print_renewal(house, console, renew_certificates(house, wait, force=force))
        table = list_certificates(house)
        found = table.certificates if host is None else table.of(host)
        return _print(console, found, house.clock.now(), host)


def _print(
    console: Console, found: tuple[Certificate, ...], now: datetime, host: str | None
) -> int:
    """Print certificates; 1 where a host has none."""
    rows = [HEAD, *(_to_row(one, now) for one in found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
    if not found:
        lines = [f"`{host}` is served without TLS" if host else "no certificate is served"]
    document = {"certificates": [_to_document(one, now) for one in found]}
    console.print_either(document, "\n".join(lines) + "\n")
    return 0 if found or host is None else 1


def _to_row(one: Certificate, now: datetime) -> tuple[str, ...]:
    left = "over" if one.is_over(now) else f"{one.days_left(now)} d"
    return ", ".join(one.names), one.end, left, one.kind, one.issuer


def _to_document(one: Certificate, now: datetime) -> dict[str, Any]:
    return {**one.facts(), "days_left": one.days_left(now), "due": one.is_due(now)}


def _print_renewal(house: House, console: Console, done: Any) -> int:
    now = house.clock.now()
    lines = [f"{one.title} is served until {one.end}" for one in done.added]
    lines += [f"{one.title} of {one.end} is not served any more" for one in done.removed]
    for text in (*done.warnings, *done.failed):
        console.print_note(text)
    served: CertificateTable = done.served
    outcome = "renewed" if done.added or done.removed else "unchanged"
    document = {
        "outcome": "failed" if done.failed else outcome,
        "certificates": [_to_document(one, now) for one in served.certificates],
        "warnings": list(done.warnings),
        "failed": list(done.failed),
    }
    console.print_either(document, "\n".join(lines or ["unchanged"]) + "\n")
    return 1 if done.failed else 0
