"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Words = Annotated[
    list[str],
    typer.Argument(help="The command and its arguments, after `--`.", metavar="-- COMMAND"),
]
Terminal = Annotated[
    bool, typer.Option("--tty/--no-tty", help="A terminal inside, where you sit at one.")
]
Junit = Annotated[
    Path | None, typer.Option(help="Write phases, gate and the promise as JUnit XML.")
]
BuildHere = Annotated[
    bool,
    typer.Option(
        "--build-here",
        help="Build with this machine's engine, and bring the image to the other one.",
    ),
]
Wait = Annotated[
    float,
    typer.Option(
        help="Seconds to wait for the lock; without a number, an hour.",
        metavar="[SECONDS]",
        min=0,
        show_default=False,
    ),
]
TimersOfUser = Annotated[
    bool | None,
    typer.Option(
        "--user/--system",
        help="Units of your user, or of the machine; without it, the machine's where you are root.",
        show_default=False,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Print what would be written.")]
Cron = Annotated[bool, typer.Option("--cron", help="Print lines for a crontab, in place of units.")]
