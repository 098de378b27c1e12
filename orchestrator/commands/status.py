"""`stackctl status`."""

from __future__ import annotations

from typing import Annotated

import typer


def status(
    context: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", help="Keep looking, until Ctrl-C.")] = False,
    every: Annotated[float, typer.Option(help="Seconds between looks.", min=0.2)] = 1.0,
) -> int:
    """Show who serves, how healthy, and what differs."""
    from orchestrator.commands.opening import opened
    from orchestrator.lifecycle.status import read_status

    with opened(context.obj) as (house, console):
        if watch:
            console.watch_status(lambda: read_status(house), house.clock, every)
        else:
            console.print_status(read_status(house))
        return 0
