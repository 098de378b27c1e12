"""`stackctl restart`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.commands.completion import offer_released
from orchestrator.commands.options import Junit, Wait


def restart(
    context: typer.Context,
    service: Annotated[
        str, typer.Argument(help="The service to restart.", autocompletion=offer_released)
    ],
    wait: Wait = 0,
    junit: Junit = None,
) -> int:
    """Replace the containers of the version that serves."""
    from orchestrator.commands.opening import conclude, load_ahead, opened
    from orchestrator.release.repetition import restart as start_anew

    with opened(context.obj) as (house, console):
        load_ahead(house)
        result = start_anew(house, service, wait)
        return conclude(house, console, result, junit)
