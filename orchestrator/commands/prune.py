"""`stackctl prune`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.commands.options import Wait


def prune(
    context: typer.Context,
    keep: Annotated[int, typer.Option(help="Images to keep of each service.", min=1)] = 5,
    wait: Wait = 0,
) -> int:
    """Remove old images, configs, assets and orphans.

    Never what serves or what a rollback needs, nor what a builder keeps for the next build.
    """
    from orchestrator.commands.opening import opened
    from orchestrator.lifecycle.removal import prune as remove_old

    with opened(context.obj) as (house, console):
        console.print_removed(remove_old(house, keep=keep, wait=wait))
        return 0
