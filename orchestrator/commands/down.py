"""`stackctl down`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.commands.options import Wait


def down(
    context: typer.Context,
    volumes: Annotated[
        bool, typer.Option("--volumes", help="Remove the data as well. It does not come back.")
    ] = False,
    wait: Wait = 0,
) -> int:
    """Stop and remove the stack. Data stays, unless told otherwise."""
    from orchestrator.commands.opening import opened
    from orchestrator.lifecycle.removal import take_down

    with opened(context.obj) as (house, console):
        console.print_removed(take_down(house, volumes=volumes, wait=wait))
        return 0
