"""`stackctl jobs`."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.console import Console
    from orchestrator.jobs.installation import Installed, Place
    from orchestrator.jobs.listing import Running
    from orchestrator.jobs.timers import Caller
    from orchestrator.settings import Settings
    from orchestrator.stack.model import Stack


def jobs(
    context: typer.Context,
    action: Annotated[
        Literal["list", "install", "remove"], typer.Argument(help="What to do with the timers.")
    ],
    user: Annotated[
        bool | None,
        typer.Option(
            "--user/--system",
            help="Units of your user, or of the machine; without it, the machine's where you are root.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be written.")
    ] = False,
    cron: Annotated[
        bool, typer.Option("--cron", help="Print lines for a crontab, in place of units.")
    ] = False,
) -> int:
    """List the jobs, or write timers that run them.

    `jobs list`, `jobs install`, `jobs remove`
    """
    from orchestrator.console import Console
    from orchestrator.jobs.installation import find_caller, find_place, remove
    from orchestrator.stack.load import load_stack

    _refuse_options(action, given=dry_run or cron)
    settings: Settings = context.obj
    stack = load_stack(settings.file)
    caller = find_caller(settings.file, sys.argv[0], sys.executable, os.environ)
    place = find_place(os.environ, user=os.geteuid() != 0 if user is None else user)
    with Console(settings) as console:
        if action == "list":
            return _list(settings, console, stack, place, caller)
        if action == "remove":
            return _print_installed(console, remove(place, stack.name, caller), place)
        return _install(console, stack, place, caller, cron=cron, dry_run=dry_run)


def _find_reports(settings: Settings) -> Path:
    from orchestrator.reports import find_reports

    return find_reports(settings.file.resolve().parent, settings.reports)


def _refuse_options(action: str, *, given: bool) -> None:
    from orchestrator.errors import ConfigurationError

    if given and action != "install":
        raise ConfigurationError(
            "`--dry-run` and `--cron` are for `install`", "`stackctl jobs install --dry-run`"
        )


def _install(
    console: Console, stack: Stack, place: Place, caller: Caller, *, cron: bool, dry_run: bool
) -> int:
    from orchestrator.jobs.installation import install, list_missing
    from orchestrator.jobs.timers import write_crontab, write_units

    for name in list_missing(stack, caller.file, os.environ):
        console.print_note(
            f"`{name}` is set in this environment only: put it into `.env`, or no timer has it"
        )
    if cron:
        text = write_crontab(stack, caller)
        console.print_either({"crontab": text}, text)
        return 0
    units = write_units(stack, caller)
    if dry_run:
        texts = [f"# {place.folder / name}\n{text}" for name, text in units.items()]
        console.print_either({"units": units}, "\n".join(texts) or "no job has a schedule\n")
        return 0
    return _print_installed(console, install(place, stack, caller, units), place)


def _print_installed(console: Console, done: Installed, place: Place) -> int:
    """Print what was written and removed; 1 where systemd does not know of it."""
    from dataclasses import asdict

    from orchestrator.errors import StackctlError

    lines = [f"wrote {path}" for path in done.written]
    lines += [f"removed {path}" for path in done.removed]
    console.print_either(asdict(done), "\n".join(lines or ["nothing to do"]) + "\n")
    if done.failed:
        hint = f"type yourself: {'; '.join(f'`{line}`' for line in done.left)}"
        console.print_error(StackctlError(f"systemd was not told: {done.failed}", hint))
        return 1
    if place.user and done.written:
        console.print_note("they run while you are logged in; always: `loginctl enable-linger`")
    return 0


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
