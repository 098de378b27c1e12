"""`stackctl pause` and `stackctl resume`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from orchestrator.commands.completion import offer_services
from orchestrator.commands.options import Wait

LARGEST = 1024**2  # bytes of a page
Services = Annotated[
    list[str] | None,
    typer.Argument(help="The services; without: all.", autocompletion=offer_services),
]


def pause(
    context: typer.Context,
    services: Services = None,
    page: Annotated[
        Path | None, typer.Option(help="HTML that browsers are shown; without: two lines.")
    ] = None,
    wait: Wait = 0,
) -> int:
    """Have users told to come back, until `resume`.

    They get 503 with Retry-After, browsers a page. No connection is closed, and releases go on.
    """
    from orchestrator.commands.opening import opened
    from orchestrator.release.pause import pause as turn_away

    shown = read_page(page)
    with opened(context.obj) as (house, console):
        console.print_turned(turn_away(house, services or (), shown, wait), "paused")
        return 0


def resume(context: typer.Context, services: Services = None, wait: Wait = 0) -> int:
    """Let users in again after `pause`."""
    from orchestrator.commands.opening import opened
    from orchestrator.release.pause import resume as let_in

    with opened(context.obj) as (house, console):
        console.print_turned(let_in(house, services or (), wait), "resumed")
        return 0


def read_page(file: Path | None) -> bytes:
    """Return the HTML of a file, or our own. Raises ConfigurationError."""
    from orchestrator.errors import ConfigurationError
    from orchestrator.pages import TEMPLATES

    try:
        with (file or TEMPLATES / "pause.html").open("rb") as opened:
            page = opened.read(LARGEST + 1)
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}", None) from error
    if len(page) > LARGEST:
        raise ConfigurationError(
            f"{file} is larger than 1 MiB", "a page has to hold all that it shows, and no more"
        )
    return page
