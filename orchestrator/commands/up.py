"""`stackctl up`."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from orchestrator.commands.options import BuildHere, Wait


def up(
    context: typer.Context,
    allow_downtime: Annotated[
        bool, typer.Option("--allow-downtime", help="Recreate what cannot be changed in place.")
    ] = False,
    build_here: BuildHere = False,
    wait: Wait = 0,
) -> int:
    """Bring the stack up, or mend what differs.

    Network, accessories, gateway, then the first release of each service. What is right stays as it is.
    """
    from orchestrator.announce.announcement import Announcement
    from orchestrator.commands.opening import opened
    from orchestrator.lifecycle.up import bring_up
    from orchestrator.release.result import find_gravest

    with opened(context.obj, build_here=build_here) as (house, console):
        done = bring_up(house, allow_downtime=allow_downtime, wait=wait)
        console.print_convergence(house.stack, done)
        if done.services:
            gravest = find_gravest(done.services)
            Announcement(house, gravest, os.environ, everything=done.services).tell()
        return done.exit_code
