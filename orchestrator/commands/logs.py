"""`stackctl logs`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.commands.completion import offer_parts


def logs(
    context: typer.Context,
    part: Annotated[
        str,
        typer.Argument(help="A service, an accessory, or `gateway`.", autocompletion=offer_parts),
    ],
    tail: Annotated[int, typer.Option(help="Lines of each container.", min=0, max=100_000)] = 50,
    since: Annotated[
        str | None, typer.Option(help="Only lines since `10m` ago, or since a date and time.")
    ] = None,
    timestamps: Annotated[
        bool, typer.Option("--timestamps", "-t", help="The time before each line.")
    ] = False,
    follow: Annotated[bool, typer.Option("--follow", help="Keep printing, until Ctrl-C.")] = False,
) -> int:
    """Print the log lines of a part's containers."""
    from orchestrator.clock import SystemClock
    from orchestrator.commands.opening import opened
    from orchestrator.lifecycle.logs import Extract, follow_logs, parse_since, read_logs

    begin = parse_since(since, SystemClock().now()) if since else None
    wanted = Extract(part, tail, begin, timestamps=timestamps)
    with opened(context.obj) as (house, console):
        if follow:
            return console.print_followed(follow_logs(house, wanted))
        console.print_logs(read_logs(house, wanted))
        return 0
