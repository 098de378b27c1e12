"""`stackctl init`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from orchestrator.errors import ConfigurationError, StackctlError

if TYPE_CHECKING:
    from orchestrator.adopt.draft import Source
    from orchestrator.adopt.sources import Answers, Place

REFUSED = 1  # a stack.yaml was written, and what the app asks for is refused


def init(
    context: typer.Context,
    given: Annotated[
        list[Path] | None,
        typer.Option(
            "--from",
            help="A compose file, of several the later wins; or a Dockerfile.",
            show_default=False,
        ),
    ] = None,
    profile: Annotated[
        list[str] | None,
        typer.Option(
            "--profile", help="Take over what compose starts with it.", show_default=False
        ),
    ] = None,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing, take the defaults.")
    ] = False,
) -> int:
    """Write a stack.yaml from compose files or a Dockerfile."""
    from orchestrator.adopt.draft import make_draft
    from orchestrator.adopt.placing import place, refuse_existing
    from orchestrator.adopt.sources import Place
    from orchestrator.adopt.telling import describe, list_facts
    from orchestrator.console import Console
    from orchestrator.stack.load import load_stack

    file = context.obj.file
    refuse_existing(file)
    source = _read(Place(file.parent, os.environ, tuple(profile or ())), given or [], yes)
    text, findings = make_draft(source)
    written = place(file, text, load_stack)
    with Console(context.obj) as console:
        facts = list_facts(findings, written, source.told)
        console.print_either(facts, describe(findings, written, source.told, load_stack(file)))
    return REFUSED if findings.of("refused") else 0


def _read(place: Place, given: list[Path], yes: bool) -> Source:  # noqa: FBT001
    from orchestrator.adopt.sources import find_files, read_answers, read_compose_source

    files, dockerfile = find_files(place.folder, given)
    if files:
        return read_compose_source(place, files)
    told = dockerfile.name if dockerfile else "answers"
    return read_answers(place, dockerfile, _ask(dockerfile, yes), told)


def _ask(dockerfile: Path | None, yes: bool) -> Answers:  # noqa: FBT001
    """Return what a person says; the defaults are what the Dockerfile says."""
    from orchestrator.adopt.sources import guess

    known = guess(dockerfile)
    if yes:
        return known
    if not sys.stdin.isatty():
        found = "a Dockerfile" if dockerfile else "no compose file and no Dockerfile"
        raise ConfigurationError(
            f"there is {found} here, and no terminal to ask at",
            "`--yes` takes the defaults; `--from` names a compose file or a Dockerfile",
        )
    try:
        return _ask_each(known, image=dockerfile is None)
    except (typer.Abort, StackctlError) as error:
        sys.stderr.write("\n")  # the line of the question has no end
        if isinstance(error, StackctlError):
            raise
        raise ConfigurationError(
            "a question was left without an answer: nothing was written",
            "`--yes` takes the defaults; Enter takes that of one question",
        ) from error


def _ask_each(known: Answers, *, image: bool) -> Answers:
    from orchestrator.adopt.sources import Answers

    named = ""
    if image:
        named = typer.prompt("image, such as example/shop:1.2 (empty: a Dockerfile)", "", err=True)
    port = typer.prompt("port that it listens at", known.port, type=int, err=True)
    health = typer.prompt("path that answers 200 when it is well", known.health or "/", err=True)
    path = typer.prompt("path that users find it at", known.path, err=True)
    return Answers(named, port, "" if health == "/" else health, path)
