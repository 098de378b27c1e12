"""`stackctl backup`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from orchestrator.commands.completion import offer_accessories
from orchestrator.commands.options import Wait


def backup(
    context: typer.Context,
    accessory: Annotated[
        str | None,
        typer.Argument(
            help="The accessory; without it, all that have a `backup`.",
            autocompletion=offer_accessories,
        ),
    ] = None,
    wait: Wait = 0,
) -> int:
    """Keep what an accessory's `backup` prints.

    As a release does before a migration; while it goes on, nothing is released.
    """
    from orchestrator.attachment import Screen
    from orchestrator.commands.opening import opened
    from orchestrator.errors import ConfigurationError
    from orchestrator.release.backup import back_up, require_backup
    from orchestrator.release.lock import hold_lock

    with opened(context.obj) as (house, console):
        able = [name for name, part in house.stack.accessories.items() if part.backup]
        names = able if accessory is None else [accessory]
        if not names:
            raise ConfigurationError(
                "no accessory of stack.yaml has a `backup`",
                "it is a command that prints all data: `backup: { command: [pg_dump, …] }`",
            )
        for name in names:
            require_backup(house, name)
        show = Screen(sys.stderr).show
        with hold_lock(house, f"backup {' '.join(names)}", wait):
            files = [str(back_up(house, name, complain=show).file) for name in names]
        console.print_either({"backups": files}, "".join(f"wrote {file}\n" for file in files))
        return 0
