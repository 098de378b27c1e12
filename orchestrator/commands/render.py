"""`stackctl render`."""

from __future__ import annotations

import typer


def render(context: typer.Context) -> int:
    """Print the NGINX config that stack.yaml wants.

    It does not say who gets the traffic.
    """
    from orchestrator.commands.opening import opened
    from orchestrator.lifecycle.forecast import render_current

    with opened(context.obj) as (house, console):
        text = render_current(house)
        console.print_either({"config": text}, text)
        return 0
