"""Options that several commands have."""

from __future__ import annotations

from typing import Annotated

import typer

Wait = Annotated[
    float,
    typer.Option(
        help="Seconds to wait for the lock; without a number, an hour.",
        metavar="[SECONDS]",
        min=0,
        show_default=False,
    ),
]
