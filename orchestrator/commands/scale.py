"""`stackctl scale`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.commands.completion import offer_services
from orchestrator.commands.options import Junit, Wait


def scale(
    context: typer.Context,
    service: Annotated[
        str, typer.Argument(help="The service to scale.", autocompletion=offer_services)
    ],
    replicas: Annotated[int, typer.Argument(help="How many containers it is to have.")],
    wait: Wait = 0,
    junit: Junit = None,
) -> int:
    """Give the version that serves more or fewer replicas."""
    from orchestrator.commands.opening import conclude, load_ahead, opened
    from orchestrator.release.repetition import scale as set_number

    with opened(context.obj) as (house, console):
        from orchestrator.doctor.growth import warn_of_growth

        warn_of_growth(house, service, replicas)
        load_ahead(house)
        result = set_number(house, service, replicas, wait)
        return conclude(house, console, result, junit)
