"""`stackctl run`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from orchestrator.commands.completion import offer_services, offer_versions
from orchestrator.commands.options import Terminal, Words


def run(
    context: typer.Context,
    service: Annotated[str, typer.Argument(help="The service.", autocompletion=offer_services)],
    command: Words,
    version: Annotated[
        str | None,
        typer.Option(
            help="One whose image is there; else what users get.", autocompletion=offer_versions
        ),
    ] = None,
    terminal: Terminal = True,
) -> int:
    """Run a command in a fresh container of a service.

    It has the service's image, variables, files and volumes, and is removed afterwards. What is typed
    or piped in is the command's input. The exit code is the command's own.
    """
    from orchestrator.attachment import attach, has_terminal, refuse_json
    from orchestrator.commands.opening import opened
    from orchestrator.lifecycle.single_run import begun, plan_run
    from orchestrator.release.version import parse_version
    from orchestrator.stack import naming

    refuse_json(context.obj, "run")
    wanted = None if version is None else parse_version(version)
    with opened(context.obj) as (house, console):
        spec = plan_run(
            house, service, tuple(command), wanted, terminal=terminal and has_terminal()
        )
        with begun(house, spec) as session:
            if sys.stderr.isatty():
                console.print_note(f"in {spec.name} ({spec.labels[naming.VERSION]})")
            return attach(session, terminal=spec.terminal)
