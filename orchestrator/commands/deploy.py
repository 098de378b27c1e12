"""`stackctl deploy`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from orchestrator.commands.completion import offer_released, offer_versions
from orchestrator.commands.options import Wait

Service = Annotated[
    str, typer.Argument(help="The service to release.", autocompletion=offer_released)
]
Version = Annotated[
    str, typer.Option("--version", help="The version to release.", autocompletion=offer_versions)
]


def deploy(
    context: typer.Context,
    service: Service,
    version: Version,
    build: Annotated[
        bool, typer.Option("--build/--no-build", help="Build the image, or use the one there is.")
    ] = True,
    allow_downtime: Annotated[
        bool,
        typer.Option(
            "--allow-downtime", help="First recreate gateway and databases with new settings."
        ),
    ] = False,
    wait: Wait = 0,
    junit: Annotated[
        Path | None, typer.Option(help="Write phases, gate and the promise as JUnit XML.")
    ] = None,
) -> int:
    """Release a version without losing a request."""
    from orchestrator.commands.opening import load_ahead, opened
    from orchestrator.release.plan import Order
    from orchestrator.release.rollout import deploy as release
    from orchestrator.release.rollout import require_service
    from orchestrator.release.version import parse_version

    order = Order(service, parse_version(version), build=build)
    with opened(context.obj) as (house, console):
        if allow_downtime:
            from orchestrator.lifecycle.up import refit

            require_service(house, service)
            refit(house, wait)
        load_ahead(house)
        result = release(house, order, wait)
        console.print_result(result)
        from orchestrator.announce.announcement import Announcement

        Announcement(house, result, os.environ).tell(junit)
        return result.exit_code
