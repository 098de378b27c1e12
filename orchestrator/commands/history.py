"""`stackctl history`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.commands.completion import offer_services


def history(
    context: typer.Context,
    service: Annotated[
        str | None,
        typer.Argument(help="Only this service's releases.", autocompletion=offer_services),
    ] = None,
    limit: Annotated[int, typer.Option(help="How many, newest first.", min=1)] = 20,
) -> int:
    """List past releases and what their witnesses saw."""
    from itertools import islice

    from orchestrator.console import Console
    from orchestrator.events import Warned
    from orchestrator.evidence.archive import read_releases
    from orchestrator.reports import find_reports

    settings = context.obj
    releases = find_reports(settings.file.resolve().parent, settings.reports) / "releases"
    with Console(settings) as console:
        found = (
            evidence
            for evidence in read_releases(releases, lambda text: console.show(Warned(text)))
            if service is None or evidence["what"]["service"] == service
        )
        console.print_history(list(islice(found, limit)))
    return 0
