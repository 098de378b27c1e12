"""The command line: parses, hands over, and is the one place that turns errors into exit codes."""

from __future__ import annotations

import gc
import io
import itertools
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn

import typer
from typer.core import TyperGroup
from typer.main import get_command

from orchestrator.announce.markers import in_ci
from orchestrator.announce.quoting import quote_streams
from orchestrator.commands import COMMANDS, completion
from orchestrator.errors import ConfigurationError, StackctlError
from orchestrator.settings import REPORTS_VARIABLE, Settings, hoist
from orchestrator.signals import listen

BUG = 3
GARBAGE = 50_000  # objects until the first look for it: imports make many, and hardly any garbage

NAMED = {command.options["name"]: command for command in COMMANDS}


@cache
def find_command(name: str) -> Any:
    """Return a command as typer has it. Raises KeyError where there is none of that name."""
    command = NAMED[name]
    alone = typer.Typer(add_completion=False, rich_markup_mode=None)
    alone.command(**command.options)(command.run)
    return get_command(alone)


class Commands(Mapping[str, Any]):
    """All commands by name, each made once it is asked for: to make all takes as long as a tenth of a start."""

    def __getitem__(self, name: str) -> Any:
        return find_command(name)

    def __iter__(self) -> Iterator[str]:
        return iter(NAMED)

    def __len__(self) -> int:
        return len(NAMED)


class Group(TyperGroup):
    """What `stackctl` itself is to typer."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{**settings, "commands": Commands()})


app = typer.Typer(
    name="stackctl",
    cls=Group,
    rich_markup_mode=None,  # importing rich would take longer than all the rest of --help
    pretty_exceptions_enable=False,
    help="Blue-green releases behind NGINX that lose no request, and prove it.",
    epilog="Exit codes: 0 done or unchanged, 1 failed and users kept their version, 2 usage or"
    " configuration, 3 a bug, 4 a person is needed, 5 locked, 6 an SLO was missed, 10 plan found"
    " changes, 129/130/143 interrupted.",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from orchestrator.edition import find_edition

        typer.echo(f"stackctl {find_edition()}")
        raise typer.Exit


@app.callback()
def configure(
    context: typer.Context,
    file: Annotated[
        Path, typer.Option("--file", "-f", help="The stack's file.", show_default=True)
    ] = Path("stack.yaml"),
    output: Annotated[
        Literal["text", "json"], typer.Option("--output", help="What stdout holds.")
    ] = "text",
    reports: Annotated[
        str | None,
        typer.Option(
            envvar=REPORTS_VARIABLE,
            metavar="DIR",
            help="Keep evidence there, not in reports/ beside the file.",
        ),
    ] = None,
    no_color: Annotated[bool, typer.Option("--no-color", help="Plain text.")] = False,
    version: Annotated[  # noqa: ARG001  its callback has answered
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Show it.")
    ] = False,
) -> None:
    """Take the global options, which may also stand after the command."""
    if reports == "":  # as of a pipeline's variable that has no value
        raise ConfigurationError("`--reports` names no folder", "leave it out, or name one")
    place = None if reports is None else Path(reports)
    context.obj = Settings(file, output, color=not no_color, reports=place)


def main() -> NoReturn:
    """Run one command and exit with its code."""
    listen()
    gc.set_threshold(GARBAGE)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # the name of a file may be no text
    if in_ci(os.environ):
        quote_streams()
    arguments = hoist(sys.argv[1:]) or ["--help"]
    try:
        code = app(arguments, prog_name=app.info.name, standalone_mode=False)
        if code and completion.OPTIONS & {*arguments}:
            completion.refuse_shell()
        sys.exit(code if isinstance(code, int) else 0)
    except StackctlError as error:
        _tell(error, arguments)
        sys.exit(error.exit_code)
    except typer.Abort:
        sys.exit(128 + signal.SIGINT)
    except Exception as error:  # noqa: BLE001  the one boundary
        sys.exit(_report_usage_or_bug(error, arguments))


def _tell(error: StackctlError, arguments: list[str]) -> None:
    from orchestrator.console import print_error

    wants_json = any(pair == ("--output", "json") for pair in itertools.pairwise(arguments))
    print_error(error, as_json=wants_json or "--output=json" in arguments)


def _report_usage_or_bug(error: Exception, arguments: list[str]) -> int:
    if completion.VARIABLE in os.environ:
        return 1  # a shell asks, between its prompt and what is typed: nothing may be printed there
    if isinstance(error, OSError | UnicodeError) and completion.OPTIONS & {*arguments}:
        hint = "print it with `--show-completion`, and put it where your shell reads it"
        _tell(StackctlError(f"completion cannot be installed: {error}", hint), arguments)
        return StackctlError.exit_code
    describe = getattr(error, "format_message", None)
    if callable(describe):  # typer's own: a wrong option, a missing argument
        message = str(describe()).replace("Value error, ", "").rstrip(".")
        path = getattr(getattr(error, "ctx", None), "command_path", "stackctl")
        usage = ConfigurationError(message[:1].lower() + message[1:], f"see `{path} --help`")
        _tell(usage, arguments)
        return usage.exit_code
    import traceback

    traceback.print_exception(error)
    what = f"this is a bug in stackctl: {type(error).__name__}"
    _tell(StackctlError(what, "please report the lines above"), arguments)
    return BUG
