"""`stackctl drill`."""

from __future__ import annotations

from typing import Annotated

import typer

Service = Annotated[
    str | None, typer.Argument(help="The service to release; else the first that users reach.")
]
Fault = Annotated[
    list[str] | None,
    typer.Option(
        help="kill, interrupt, terminate, candidate, replica, gateway-kill, gateway-stop or all;"
        " repeat it for more. Without it: kill, candidate, replica."
    ),
]
At = Annotated[
    list[str] | None,
    typer.Option(
        help="Strike after this phase, or all; repeat it for more. Without it: gate, promote, drain."
    ),
]
During = Annotated[
    list[str] | None, typer.Option(help="deploy, rollback or all; deploy without it.")
]
Versions = Annotated[
    tuple[str, str] | None,
    typer.Option(help="Two versions that take turns; else the service's own and `drill`."),
]


def drill(  # noqa: PLR0913, PLR0917  one argument an option
    context: typer.Context,
    service: Service = None,
    fault: Fault = None,
    at: At = None,
    during: During = None,
    versions: Versions = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the copy, for a look.")] = False,
    clean: Annotated[
        bool, typer.Option("--clean", help="Only remove the copy that a drill has left.")
    ] = False,
) -> int:
    """Strike releases of a throw-away copy of the stack, under load: do users notice?"""
    from orchestrator.console import Console
    from orchestrator.drill.copy import remove_copy, throw_away
    from orchestrator.drill.exercise import Exercise
    from orchestrator.drill.programme import Wish, draw_up
    from orchestrator.drill.report import describe_all, describe_case, to_document
    from orchestrator.drill.verdict import find_problems
    from orchestrator.release.result import SLO_MISSED
    from orchestrator.stack.load import load_stack

    settings = context.obj
    with Console(settings) as console:
        if clean:
            remove_copy(settings.file, console)
            return 0
        wish = Wish(service or "", versions or (), during or (), fault or (), at or ())
        programme = draw_up(load_stack(settings.file), wish)
        observations = []
        with throw_away(settings.file, console, keep=keep) as site:
            typer.echo(f"`{site.house.stack.name}` comes up: {site.file}", err=True)
            exercise = Exercise(site, programme.service, programme.versions)
            for case in programme.cases:
                observations.append(exercise.run(case))
                typer.echo(describe_case(observations[-1]), err=True)
        console.print_either(to_document(observations), describe_all(observations) + "\n")
        return SLO_MISSED if any(any(find_problems(seen)) for seen in observations) else 0
