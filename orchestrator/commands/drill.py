"""`stackctl drill`."""

from __future__ import annotations

from typing import Annotated

import typer

from orchestrator.commands.completion import offer_released

Service = Annotated[
    str | None,
    typer.Argument(
        help="The service to release; else the first that users reach.",
        autocompletion=offer_released,
    ),
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
Clean = Annotated[bool, typer.Option("--clean", help="Only remove the copy that a drill has left.")]


def drill(  # noqa: PLR0913, PLR0917  one argument an option
    context: typer.Context,
    service: Service = None,
    fault: Fault = None,
    at: At = None,
    during: During = None,
    versions: Versions = None,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the copy, for a look.")] = False,
    clean: Clean = False,
) -> int:
    """Break releases of a throw-away copy: do users notice?

    It has data of its own, but the same variables: a database that they name elsewhere is written to.
    """
    from orchestrator.console import Console
    from orchestrator.drill import copy, report
    from orchestrator.drill.exercise import Exercise
    from orchestrator.drill.programme import Wish, draw_up
    from orchestrator.drill.verdict import find_problems
    from orchestrator.release.result import SLO_MISSED
    from orchestrator.stack.load import load_stack

    settings = context.obj
    with Console(settings) as console:
        if clean:
            console.print_removed(copy.clean(settings.file, console))
            return 0
        wish = Wish(service or "", versions or (), during or (), fault or (), at or ())
        programme = draw_up(load_stack(settings.file), wish)
        observations = []
        with copy.throw_away(settings.file, console, keep=keep) as site:
            console.print_note(f"`{site.house.stack.name}` comes up: {site.file}")
            exercise = Exercise(site, programme.service, programme.versions)
            for case in programme.cases:
                observations.append(exercise.run(case))
                console.print_note(report.describe_case(observations[-1]))
        told = f"{report.describe_all(observations)}\n"
        console.print_either(report.to_document(observations), told)
        return SLO_MISSED if any(any(find_problems(seen)) for seen in observations) else 0
