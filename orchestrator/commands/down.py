"""`stackctl down`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.commands.options import Wait

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from orchestrator.console import Console
    from orchestrator.whereabouts import Whereabouts


def down(
    context: typer.Context,
    volumes: Annotated[
        bool, typer.Option("--volumes", help="Remove the data as well. It does not come back.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Remove the data without a question.")] = False,
    wait: Wait = 0,
) -> int:
    """Stop and remove the stack; its data stays.

    With `--volumes` the data goes as well, and does not come back.
    """
    from orchestrator.commands.opening import opened
    from orchestrator.lifecycle.removal import take_down

    ask = volumes and not yes
    if ask:
        _require_somebody()
    with opened(context.obj) as (house, console):
        if ask and (names := house.engine.volumes(house.stack.name)):
            _ask(console, house.whereabouts, names)
        console.print_removed(take_down(house, volumes=volumes, wait=wait))
        _tell_of_timers(console, house.stack.name, context.obj.file)
        return 0


def _tell_of_timers(console: Console, stack: str, file: Path) -> None:
    """Say that timers of jobs are left: they are this machine's, and fail until the stack is up again."""
    from orchestrator.jobs.installation import find_caller, find_place, list_own

    caller = find_caller(file, sys.argv[0], sys.executable, os.environ)
    places = [find_place(os.environ, user=user) for user in (False, True)]
    own = [path.stem for place in places for path in list_own(place, stack, caller)]
    if own:
        console.print_note(
            f"timers are left, and fail until it is up again: {', '.join(sorted({*own}))};"
            " `stackctl jobs remove` removes them"
        )


def _require_somebody() -> None:
    """Raise ConfigurationError where nobody can be asked."""
    from orchestrator.errors import ConfigurationError

    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise ConfigurationError(
            "`--volumes` removes the data for good, and there is no terminal to ask at",
            "where that is meant: `stackctl down --volumes --yes`",
        )


def _ask(console: Console, engine: Whereabouts, names: Sequence[str]) -> None:
    """Raise StackctlError unless a person wants the data to go, of this engine."""
    from orchestrator.errors import StackctlError

    what = f"{', '.join(names)}, and all data in there"
    if not console.ask(f"on {engine.told}: remove {what}, for good?", sys.stdin):
        raise StackctlError(
            "nothing was removed", "without its data the stack goes by `stackctl down`"
        )
