"""`stackctl jobs`."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from orchestrator.commands.options import Cron, DryRun, TimersOfUser

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.console import Console
    from orchestrator.jobs.installation import Place
    from orchestrator.jobs.listing import Running
    from orchestrator.jobs.timers import Caller
    from orchestrator.settings import Settings
    from orchestrator.stack.model import Stack


def jobs(
    context: typer.Context,
    action: Annotated[
        Literal["list", "install", "remove"], typer.Argument(help="What to do with the timers.")
    ],
    user: TimersOfUser = None,
    dry_run: DryRun = False,
    cron: Cron = False,
) -> int:
    """List the jobs, or write timers that run them.

    `jobs list`, `jobs install`, `jobs remove`
    """
    from orchestrator.commands.timers import find_timers, print_installed, refuse_options
    from orchestrator.console import Console
    from orchestrator.jobs.installation import remove
    from orchestrator.stack.load import load_stack

    refuse_options("jobs", action, given=dry_run or cron)
    settings: Settings = context.obj
    stack = load_stack(settings.file)
    place, caller = find_timers(settings.file, user=user)
    with Console(settings) as console:
        if action == "list":
            return _list(settings, console, stack, place, caller)
        if action == "remove":
            return print_installed(console, remove(place, stack.name, caller), place)
        return _install(console, stack, place, caller, cron=cron, dry_run=dry_run)


def _find_reports(settings: Settings) -> Path:
    from orchestrator.reports import find_reports

    return find_reports(settings.file.resolve().parent, settings.reports)


def _install(
    console: Console, stack: Stack, place: Place, caller: Caller, *, cron: bool, dry_run: bool
) -> int:
    from orchestrator.commands.timers import add_timers
    from orchestrator.jobs.installation import list_missing
    from orchestrator.jobs.timers import list_tasks

    missing = list_missing(stack, caller.file, os.environ)
    tasks = list_tasks(stack)
    return add_timers(console, stack, place, caller, tasks, missing, cron=cron, dry_run=dry_run)


def _list(settings: Settings, console: Console, stack: Stack, place: Place, caller: Caller) -> int:
    from orchestrator.jobs.listing import list_jobs

    if not stack.jobs:
        console.print_either({"jobs": []}, "stack.yaml has no `jobs`\n")
        return 0
    running = _look(settings, console)
    rows = list_jobs(stack, place, caller, _find_reports(settings), running)
    head = ("job", "service", "schedule", "now", "next", "last")
    table = [head, *(tuple(row["told"][key] for key in head) for row in rows)]
    widths = [max(len(line[at]) for line in table) for at in range(len(head))]
    lines = [
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in table
    ]
    for row in rows:
        del row["told"]
    console.print_either({"jobs": rows}, "\n".join(lines) + "\n")
    return 0


def _look(settings: Settings, console: Console) -> Running | None:
    """Return what runs now; None where the engine does not say: all else is known without it."""
    from orchestrator.errors import EngineError
    from orchestrator.jobs.listing import find_running
    from orchestrator.wiring import open_house

    try:
        return find_running(open_house(settings.file, console, reports=settings.reports))
    except EngineError as error:
        console.print_note(f"whether jobs run now is not known: {error.message}")
        return None
