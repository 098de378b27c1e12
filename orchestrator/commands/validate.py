"""`stackctl validate`."""

from __future__ import annotations

import typer


def validate(context: typer.Context) -> int:
    """Check stack.yaml; every fault is told at once."""
    from orchestrator.console import Console
    from orchestrator.stack.load import load_stack

    settings = context.obj
    stack = load_stack(settings.file)
    with Console(settings) as console:
        console.print_valid(settings.file, stack)
    return 0
