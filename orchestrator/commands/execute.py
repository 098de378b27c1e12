"""`stackctl exec`."""

from __future__ import annotations

import sys
from contextlib import closing
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.commands.completion import offer_parts
from orchestrator.commands.options import Terminal, Words

if TYPE_CHECKING:
    from orchestrator.console import Console
    from orchestrator.lifecycle.entry import Entry
    from orchestrator.release.house import House


def execute(
    context: typer.Context,
    part: Annotated[
        str,
        typer.Argument(help="A service, an accessory, or `gateway`.", autocompletion=offer_parts),
    ],
    command: Words,
    replica: Annotated[
        int | None, typer.Option(help="Number of the replica; else the first that runs.", min=1)
    ] = None,
    user: Annotated[
        str, typer.Option(help="Name or number inside the container; else the container's own.")
    ] = "",
    terminal: Terminal = True,
) -> int:
    """Run a command in a running container of a part.

    Of a service that is a replica of the version that users get. What is typed or piped in is the
    command's input. The exit code is the command's own.
    """
    from orchestrator.attachment import refuse_json
    from orchestrator.commands.opening import opened
    from orchestrator.lifecycle.entry import find_entry

    refuse_json(context.obj, "exec")
    with opened(context.obj) as (house, console):
        entry = find_entry(house, part, replica)
        if sys.stderr.isatty():
            console.print_note(f"in {entry.told}")
        return _run(house, console, entry, tuple(command), user, terminal=terminal)


def _run(
    house: House,
    console: Console,
    entry: Entry,
    command: tuple[str, ...],
    user: str,
    *,
    terminal: bool,
) -> int:
    from orchestrator.attachment import attach, has_terminal
    from orchestrator.lifecycle.entry import tell_departure

    seated = terminal and has_terminal()
    session = house.engine.attend(entry.container.id, command, user=user, terminal=seated)
    with closing(session):
        code = attach(session, terminal=seated)
    if departure := tell_departure(house, entry, code):
        console.print_note(departure)
    return code
