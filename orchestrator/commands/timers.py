"""What `jobs` and `certs` say of the timers that they write."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING

from orchestrator.errors import ConfigurationError, StackctlError
from orchestrator.jobs.installation import find_caller, find_place, install
from orchestrator.jobs.timers import write_crontab, write_units

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from orchestrator.console import Console
    from orchestrator.jobs.installation import Installed, Place
    from orchestrator.jobs.timers import Caller, Task
    from orchestrator.stack.model import Stack


def refuse_options(command: str, action: str, *, given: bool) -> None:
    """Raise ConfigurationError for options of `install` that are given to something else."""
    if given and action != "install":
        raise ConfigurationError(
            "`--dry-run` and `--cron` are for `install`", f"`stackctl {command} install --dry-run`"
        )


def find_timers(file: Path, *, user: bool | None) -> tuple[Place, Caller]:
    """Return where timers belong, and how they start this stackctl."""
    caller = find_caller(file, sys.argv[0], sys.executable, os.environ)
    return find_place(os.environ, user=os.geteuid() != 0 if user is None else user), caller


def add_timers(  # noqa: PLR0913  what is written, for whom, and how
    console: Console,
    stack: Stack,
    place: Place,
    caller: Caller,
    tasks: Sequence[Task],
    missing: Sequence[str],
    *,
    cron: bool,
    dry_run: bool,
) -> int:
    """Write timers, or only print them; variables that are `missing` later are told."""
    for name in missing:
        console.print_note(
            f"`{name}` is set in this environment only: put it into `.env`, or no timer has it"
        )
    if cron:
        text = write_crontab(tasks, caller)
        console.print_either({"crontab": text}, text)
        return 0
    units = write_units(stack.name, tasks, caller)
    if dry_run:
        texts = [f"# {place.folder / name}\n{text}" for name, text in units.items()]
        console.print_either({"units": units}, "\n".join(texts) or "no job has a schedule\n")
        return 0
    return print_installed(console, install(place, stack, caller, units), place)


def print_installed(console: Console, done: Installed, place: Place) -> int:
    """Print what was written and removed; 1 where systemd does not know of it."""
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
