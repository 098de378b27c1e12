"""`stackctl run`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.commands.completion import offer_jobs, offer_services, offer_versions
from orchestrator.commands.options import Terminal, Wait

if TYPE_CHECKING:
    from orchestrator.settings import Settings


def run(
    context: typer.Context,
    service: Annotated[
        str | None, typer.Argument(help="The service.", autocompletion=offer_services)
    ] = None,
    command: Annotated[
        list[str] | None,
        typer.Argument(help="The command and its arguments, after `--`.", metavar="-- COMMAND"),
    ] = None,
    version: Annotated[
        str | None,
        typer.Option(
            help="One whose image is there; else what users get.", autocompletion=offer_versions
        ),
    ] = None,
    terminal: Terminal = True,
    job: Annotated[
        str | None,
        typer.Option(
            help="A job of stack.yaml, in place of a service and a command.",
            autocompletion=offer_jobs,
        ),
    ] = None,
    wait: Wait = 0,
) -> int:
    """Run a command in a fresh container of a service.

    It has the service's image, variables, files and volumes, and is removed afterwards. What is typed
    or piped in is the command's input. The exit code is the command's own.

    With `--job` it is one of `jobs`, of which never two run at a time. It gets no input, leaves a record
    in `reports/jobs`, and ends with 124 where its `timeout` ended it.
    """
    if job is not None:
        _refuse_beside_job(job, service, command, version)
        return _run_job(context.obj, job, wait)
    service, words = _require_command(service, command, wait)
    return _run_command(context.obj, service, words, version, terminal=terminal)


def _refuse_beside_job(job: str, *others: object) -> None:
    from orchestrator.errors import ConfigurationError

    if any(others):
        raise ConfigurationError(
            "`--job` says what runs: it takes no service, command or version",
            f"`stackctl run --job {job}`",
        )


def _require_command(
    service: str | None, command: list[str] | None, wait: float
) -> tuple[str, tuple[str, ...]]:
    """Return what is to run where. Raises ConfigurationError where that is not said."""
    from orchestrator.errors import ConfigurationError

    if wait:
        raise ConfigurationError(
            "`--wait` is for `--job`: nothing else has to wait", "leave out `--wait`"
        )
    if service is None or not command:
        raise ConfigurationError(
            f"missing argument '{'-- COMMAND' if service else 'SERVICE'}'",
            "`stackctl run web -- COMMAND`, or `stackctl run --job NAME`",
        )
    return service, tuple(command)


def _run_command(
    settings: Settings,
    service: str,
    command: tuple[str, ...],
    version: str | None,
    *,
    terminal: bool,
) -> int:
    from orchestrator.attachment import attach, has_terminal, refuse_json
    from orchestrator.commands.opening import opened
    from orchestrator.lifecycle.single_run import begun, plan_run
    from orchestrator.release.version import parse_version
    from orchestrator.stack import naming

    refuse_json(settings, "run")
    wanted = None if version is None else parse_version(version)
    with opened(settings) as (house, console):
        spec = plan_run(house, service, command, wanted, terminal=terminal and has_terminal())
        with begun(house, spec) as session:
            if sys.stderr.isatty():
                console.print_note(f"in {spec.name} ({spec.labels[naming.VERSION]})")
            return attach(session, terminal=spec.terminal)


def _run_job(settings: Settings, name: str, wait: float) -> int:
    from dataclasses import asdict

    from orchestrator.attachment import Screen
    from orchestrator.commands.opening import opened
    from orchestrator.engine.values import OUT
    from orchestrator.jobs.supervision import run_job

    # As JSON the record is what stdout holds: it has the last lines of the output.
    out, error = Screen(sys.stderr if settings.json else sys.stdout), Screen(sys.stderr)

    def show(stream: int, data: bytes) -> None:
        (out if stream == OUT else error).show(data)

    with opened(settings) as (house, console):
        tell = console.print_note if sys.stderr.isatty() else (lambda _: None)
        done = run_job(house, name, show, tell, wait)
        if settings.json:
            console.print_document(asdict(done))
        elif done.outcome != "done":
            console.print_note(f"job `{name}` {done.told}")
        return done.code
