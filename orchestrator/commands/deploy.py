"""`stackctl deploy`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.commands.completion import offer_released, offer_versions
from orchestrator.commands.options import BuildHere, Junit, Wait

if TYPE_CHECKING:
    from orchestrator.release.house import House
    from orchestrator.release.plan import Order
    from orchestrator.release.result import Result

Service = Annotated[
    str, typer.Argument(help="The service to release.", autocompletion=offer_released)
]
Version = Annotated[
    str, typer.Option("--version", help="The version to release.", autocompletion=offer_versions)
]
Build = Annotated[
    bool, typer.Option("--build/--no-build", help="Build the image, or use the one there is.")
]
Downtime = Annotated[
    bool,
    typer.Option(
        "--allow-downtime", help="First recreate gateway and databases with new settings."
    ),
]
Up = Annotated[
    bool, typer.Option("--up", help="Bring the stack up first where it is not, with this version.")
]


def deploy(  # noqa: PLR0913, PLR0917  one argument an option
    context: typer.Context,
    service: Service,
    version: Version,
    build: Build = True,
    build_here: BuildHere = False,
    allow_downtime: Downtime = False,
    up: Up = False,
    wait: Wait = 0,
    junit: Junit = None,
) -> int:
    """Release a version without losing a request."""
    from orchestrator.commands.opening import conclude, load_ahead, opened
    from orchestrator.errors import ConfigurationError
    from orchestrator.release.plan import Order
    from orchestrator.release.version import parse_version

    if build_here and not build:
        raise ConfigurationError(
            "`--build-here` and `--no-build` say the opposite", "leave one out"
        )
    order = Order(service, parse_version(version), build=build)
    with opened(context.obj, build_here=build_here) as (house, console):
        if allow_downtime:
            from orchestrator.lifecycle.up import refit
            from orchestrator.release.rollout import require_service

            require_service(house, service)
            refit(house, wait)
        load_ahead(house)
        result, everything = _release(house, order, wait, up=up)
        return conclude(house, console, result, junit, everything)


def _release(
    house: House, order: Order, wait: float, *, up: bool
) -> tuple[Result, tuple[Result, ...]]:
    """Return what came of the release, and all releases: more than one where the stack was brought up."""
    if up:
        from orchestrator.lifecycle.first import deploy_or_bring_up

        return deploy_or_bring_up(house, order, wait)
    from orchestrator.release.rollout import deploy as release

    result = release(house, order, wait)
    return result, (result,)
