"""Puts a House together from the command line's settings: the only place that picks implementations."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.clock import SystemClock
from orchestrator.engine.connection import open_endpoint
from orchestrator.engine.discretion import keep_discreet
from orchestrator.engine.docker import DockerEngine
from orchestrator.engine.endpoint import find_endpoint
from orchestrator.engine.marking import put_labels
from orchestrator.engine.redaction import Redaction
from orchestrator.engine.silence import Silence
from orchestrator.engine.transfer import find_workshop, open_workshop
from orchestrator.events import Unanswered
from orchestrator.evidence.key import take_key
from orchestrator.gateway.admin import SERVED, Admin
from orchestrator.gateway.afar import ask_inside
from orchestrator.gateway.outside import Outside, lead_to
from orchestrator.release.house import House
from orchestrator.reports import find_reports
from orchestrator.stack import naming
from orchestrator.stack.load import load_stack, load_variables
from orchestrator.stack.vault import Vault, read_secrets
from orchestrator.stack.withheld import find_withheld, list_public

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.console import Console
    from orchestrator.engine.endpoint import Endpoint
    from orchestrator.engine.ports import Engine
    from orchestrator.events import Emit
    from orchestrator.gateway.passage import Entrance
    from orchestrator.stack.model import Stack


def open_house(
    file: Path,
    console: Console,
    *,
    outside: bool = False,
    reports: Path | None = None,
    build_here: bool = False,
) -> House:
    """Load the stack, which may name what lies `outside` of its repository, and connect.

    Evidence is kept beside the file, or in `reports`. Images are built on the engine that runs them, or
    with `build_here` on this machine's.

    Raises ConfigurationError, EngineError.
    """
    stack, folder = load_stack(file, outside=outside), file.resolve().parent
    place = find_reports(folder, reports)
    variables = load_variables(file)
    redaction = Redaction(find_withheld(file, stack, variables), list_public(stack))
    known = take_key(variables, folder, os.environ)
    endpoint = find_endpoint(os.environ, Path.home())
    logins = stack.registry.find_login(known) if stack.registry else {}
    client = _open_client(endpoint, redaction, console.show, logins)
    workshop = _find_workshop(endpoint, logins) if build_here else None
    engine = _dress(stack, DockerEngine(client, workshop=workshop), redaction)
    admin, entrance = _open_gateway(stack, engine, endpoint)
    return House(
        stack=stack,
        folder=folder,
        engine=engine,
        admin=admin,
        clock=SystemClock(),
        emit=console.show,
        variables=known,
        vault=_open_vault(stack, folder, known, redaction),
        kept_in=place,
        entrance=entrance,
    )


def _open_gateway(
    stack: Stack, engine: Engine, endpoint: Endpoint
) -> tuple[Admin, Entrance | None]:
    """Return how the gateway is asked, and how its public door is reached from another machine."""
    admin, listen, url = stack.gateway.admin, stack.gateway.listen, stack.gateway.url
    outside = Outside(url, SERVED) if url else None
    if not endpoint.away:
        if stack.gateway.door:
            outside = lead_to(stack, listen.reachable, SERVED)
        return Admin(admin, listen, outside=outside), None
    from orchestrator.gateway.passage import find_entrance

    container = naming.part_name(stack.name, "gateway")
    inside = ask_inside(engine, container)
    if outside is not None:
        return Admin(admin, listen, inside=inside, outside=outside), None
    if stack.gateway.door:
        container = naming.part_name(naming.SHARED, "gateway")
    entrance = find_entrance(listen, endpoint.name, engine, container)
    if stack.gateway.door:
        outside = lead_to(stack, entrance.door, SERVED)
    return Admin(admin, entrance.door, inside=inside, outside=outside), entrance


def _open_vault(
    stack: Stack, folder: Path, known: Mapping[str, str], redaction: Redaction
) -> Vault | None:
    command = stack.secrets_command
    if command is None:
        return None
    return Vault(
        known,
        lambda: read_secrets(command, folder, os.environ),
        lambda found: redaction.learn(found.items()),
    )


def _open_client(
    endpoint: Endpoint, redaction: Redaction, emit: Emit, logins: Mapping[str, tuple[str, str]]
) -> Any:
    def tell(doing: str, seconds: float, over: bool) -> None:  # noqa: FBT001  the form of Silence
        emit(Unanswered(redaction.apply(doing), seconds, over))

    return open_endpoint(endpoint, silence=Silence(tell), logins=logins)


def _find_workshop(
    endpoint: Endpoint, logins: Mapping[str, tuple[str, str]]
) -> Callable[[], Any] | None:
    """Return how the engine is opened that builds; None where it is the one that runs the images."""
    workshop = find_workshop(os.environ)
    if workshop.address == endpoint.address:
        return None
    return cache(lambda: open_workshop(workshop, logins))


def _dress(stack: Stack, docker_engine: Engine, redaction: Redaction) -> Engine:
    """Return the engine as a stack uses it."""
    engine = keep_discreet(docker_engine, redaction)
    if stack.drill_of is None:
        return engine
    return put_labels(engine, {naming.DRILL_OF: stack.drill_of})
