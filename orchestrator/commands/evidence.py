"""`stackctl evidence`."""

from __future__ import annotations

from typing import Annotated, Literal

import typer


def evidence(
    context: typer.Context,
    action: Annotated[Literal["show"], typer.Argument(help="What to do with it.")],
    release: Annotated[str | None, typer.Argument(help="A release; the newest without it.")] = None,
) -> int:
    """Show a release's evidence: `stackctl evidence show [RELEASE]`."""
    from orchestrator.console import Console
    from orchestrator.evidence.report import find_release

    del action  # there is one so far, and typer has checked it
    settings = context.obj
    found = find_release(settings.file.resolve().parent / "reports" / "releases", release)
    with Console(settings) as console:
        console.print_evidence(found)
    return 0
