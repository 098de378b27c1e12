"""`stackctl restart`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.commands.completion import offer_released
from orchestrator.commands.options import Wait


def restart(
    context: typer.Context,
    service: Annotated[
        str, typer.Argument(help="The service to restart.", autocompletion=offer_released)
    ],
    wait: Wait = 0,
    junit: Annotated[
        Path | None, typer.Option(help="Write phases, gate and the promise as JUnit XML.")
    ] = None,
) -> int:
    """Replace the containers of the version that serves."""
    from orchestrator.commands.opening import load_ahead, opened
    from orchestrator.release.repetition import restart as start_anew

    with opened(context.obj) as (house, console):
        load_ahead(house)
        result = start_anew(house, service, wait)
        console.print_result(result)
        from orchestrator.announce.announcement import Announcement

        Announcement(house, result, os.environ).tell(junit)
        return result.exit_code
