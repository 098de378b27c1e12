"""`stackctl rollback`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.commands.completion import offer_released, offer_versions
from orchestrator.commands.options import Junit, Wait


def rollback(
    context: typer.Context,
    service: Annotated[
        str, typer.Argument(help="The service to take back.", autocompletion=offer_released)
    ],
    to: Annotated[
        str | None,
        typer.Option(
            "--to", help="A version other than the previous.", autocompletion=offer_versions
        ),
    ] = None,
    wait: Wait = 0,
    junit: Junit = None,
) -> int:
    """Go back to the previous version, through the same gate."""
    from orchestrator.commands.opening import conclude, load_ahead, opened
    from orchestrator.release.rollout import rollback as go_back
    from orchestrator.release.version import parse_version

    version = None if to is None else parse_version(to)
    with opened(context.obj) as (house, console):
        load_ahead(house)
        result = go_back(house, service, version, wait)
        return conclude(house, console, result, junit)
