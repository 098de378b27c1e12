"""`stackctl plan`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.commands.completion import offer_released, offer_versions

CHANGES = 10


def plan(
    context: typer.Context,
    service: Annotated[
        str | None,
        typer.Argument(help="A service; all without it.", autocompletion=offer_released),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(
            "--version",
            help="The version; the active one without it.",
            autocompletion=offer_versions,
        ),
    ] = None,
    diff: Annotated[bool, typer.Option("--diff", help="The NGINX diff as well.")] = False,
    detailed_exitcode: Annotated[
        bool, typer.Option("--detailed-exitcode", help="Exit with 10 where something would change.")
    ] = False,
) -> int:
    """Show what a release would change and do.

    It touches nothing. `--diff` has the difference in the NGINX config as well.
    """
    from orchestrator.commands.opening import opened
    from orchestrator.lifecycle.forecast import forecast
    from orchestrator.release.version import parse_version

    wanted = None if version is None else parse_version(version)
    with opened(context.obj) as (house, console):
        found = forecast(house, service, wanted)
        console.print_forecast(found, diff=diff)
        changes = bool(found.gateway) or any(not one.unchanged for one in found.services)
        return CHANGES if changes and detailed_exitcode else 0
