"""`stackctl up`."""

from __future__ import annotations

import os
from typing import Annotated

import typer


def up(
    context: typer.Context,
    allow_downtime: Annotated[
        bool, typer.Option("--allow-downtime", help="Recreate what cannot be changed in place.")
    ] = False,
    wait: Annotated[float, typer.Option(help="Seconds to wait for the lock.", min=0)] = 0,
) -> int:
    """Bring the stack up: network, accessories, gateway, first releases. Repeat to converge."""
    from orchestrator.announce.announcement import Announcement
    from orchestrator.commands.opening import opened
    from orchestrator.release.converge import bring_up

    with opened(context.obj) as (house, console):
        done = bring_up(house, allow_downtime=allow_downtime, wait=wait)
        console.print_convergence(house.stack, done)
        for result in done.services:
            Announcement(house, result, os.environ).tell()
        return done.exit_code
