"""`stackctl render`."""

from __future__ import annotations

import typer


def render(context: typer.Context) -> int:
    """Print the NGINX config for what serves now, or for a first release where nothing does."""
    from orchestrator.commands.opening import opened
    from orchestrator.release.forecast import render_current

    with opened(context.obj) as (house, console):
        console.print_config(render_current(house))
        return 0
