"""`stackctl certs`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from orchestrator.commands.options import Cron, DryRun, TimersOfUser, Wait

if TYPE_CHECKING:
    from datetime import datetime

    from orchestrator.certificates.table import Certificate, CertificateTable
    from orchestrator.console import Console
    from orchestrator.release.house import House
    from orchestrator.settings import Settings

HEAD = ("names", "ends", "left", "key", "issuer")


Action = Annotated[
    Literal["list", "show", "renew", "install", "remove"],
    typer.Argument(help="What to do with the certificates, or with the timer that renews them."),
]
Host = Annotated[str | None, typer.Argument(help="For `show`: the host that a client asks for.")]
Force = Annotated[
    bool,
    typer.Option("--force", help="For `renew`: ask an authority for all, not only what ends soon."),
]


def certs(  # noqa: PLR0913, PLR0917  each is an option
    context: typer.Context,
    action: Action,
    host: Host = None,
    force: Force = False,
    user: TimersOfUser = None,
    dry_run: DryRun = False,
    cron: Cron = False,
    wait: Wait = 0,
) -> int:
    """List the certificates, or have renewed ones served.

    `certs list`, `certs show HOST`, `certs renew`, and `certs install` for a timer that renews
    """
    from orchestrator.commands.opening import opened
    from orchestrator.commands.timers import refuse_options
    from orchestrator.errors import ConfigurationError
    from orchestrator.lifecycle.renewal import list_certificates, renew_certificates

    if (host is not None) != (action == "show"):
        raise ConfigurationError(
            "`show` is for one host, and only it", "`stackctl certs show shop.example`"
        )
    refuse_options("certs", action, given=dry_run or cron)
    if force and action != "renew":
        raise ConfigurationError("`--force` is for `renew`", "`stackctl certs renew --force`")
    if action in ("install", "remove"):
        return _set_timer(context.obj, action, user=user, dry_run=dry_run, cron=cron)
    with opened(context.obj) as (house, console):
        if action == "renew":
            return _print_renewal(house, console, renew_certificates(house, wait, force=force))
        table = list_certificates(house)
        found = table.certificates if host is None else table.of(host)
        return _print(console, found, house.clock.now(), host)


def _set_timer(
    settings: Settings, action: str, *, user: bool | None, dry_run: bool, cron: bool
) -> int:
    """Write the timer that renews, or remove it."""
    from orchestrator.commands.timers import add_timers, find_timers, print_installed
    from orchestrator.console import Console
    from orchestrator.jobs.installation import list_passing, remove
    from orchestrator.jobs.renewals import call_renewal, find_renewal
    from orchestrator.lifecycle.renewal import require_tls
    from orchestrator.stack.load import load_stack

    stack = load_stack(settings.file)
    place, caller = find_timers(settings.file, user=user)
    caller = call_renewal(caller)
    with Console(settings) as console:
        if action == "remove":
            return print_installed(console, remove(place, stack.name, caller), place)
        require_tls(stack)
        tasks = [find_renewal(stack.name)]
        missing = list_passing(caller.file, os.environ)
        return add_timers(console, stack, place, caller, tasks, missing, cron=cron, dry_run=dry_run)


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
