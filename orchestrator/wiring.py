"""Puts a House together from the command line's settings: the only place that picks implementations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.clock import SystemClock
from orchestrator.engine.docker import DockerEngine
from orchestrator.evidence.key import take_key
from orchestrator.gateway.admin import Admin
from orchestrator.release.house import House
from orchestrator.reports import require_own_places
from orchestrator.stack.load import load_stack, load_variables

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.console import Console


def open_house(file: Path, console: Console, *, outside: bool = False) -> House:
    """Load the stack, which may name what lies `outside` of its repository, and connect.

    Raises ConfigurationError, EngineError.
    """
    stack, folder = load_stack(file, outside=outside), file.resolve().parent
    require_own_places(folder)
    return House(
        stack=stack,
        folder=folder,
        engine=DockerEngine(),
        admin=Admin(stack.gateway.admin, stack.gateway.listen),
        clock=SystemClock(),
        emit=console.show,
        variables=take_key(load_variables(file), folder),
    )
