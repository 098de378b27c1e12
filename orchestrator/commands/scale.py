"""`stackctl scale`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.commands.completion import offer_services
from orchestrator.commands.options import Wait


def scale(
    context: typer.Context,
    service: Annotated[
        str, typer.Argument(help="The service to scale.", autocompletion=offer_services)
    ],
    replicas: Annotated[int, typer.Argument(help="How many containers it is to have.")],
    wait: Wait = 0,
    junit: Annotated[
        Path | None, typer.Option(help="Write phases, gate and the promise as JUnit XML.")
    ] = None,
) -> int:
    """Give the version that serves more or fewer replicas."""
    from orchestrator.commands.opening import load_ahead, opened
    from orchestrator.release.repetition import scale as set_number

    with opened(context.obj) as (house, console):
        from orchestrator.doctor.growth import warn_of_growth

        warn_of_growth(house, service, replicas)
        load_ahead(house)
        result = set_number(house, service, replicas, wait)
        console.print_result(result)
        from orchestrator.announce.announcement import Announcement

        Announcement(house, result, os.environ).tell(junit)
        return result.exit_code
