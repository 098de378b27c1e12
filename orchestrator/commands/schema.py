"""`stackctl schema`."""

from __future__ import annotations

from typing import Annotated

import typer


def schema(
    context: typer.Context,
    reference: Annotated[
        bool, typer.Option("--reference", help="Print the same as a page of Markdown.")
    ] = False,
) -> int:
    """Print the JSON Schema of stack.yaml, for editors.

    `stackctl schema > stack.schema.json` writes it anew where the first line of a stack.yaml leads to.
    """
    from orchestrator.console import Console
    from orchestrator.stack.reference import write_reference
    from orchestrator.stack.schema import build_schema, write_schema

    made = build_schema()
    with Console(context.obj) as console:
        if reference:
            page = write_reference(made)
            console.print_either({"reference": page}, page)
        else:
            console.print_either(made, write_schema())
    return 0
