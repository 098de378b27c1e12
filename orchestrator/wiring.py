"""Puts a House together from the command line's settings: the only place that picks implementations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.clock import SystemClock
from orchestrator.engine.docker import DockerEngine
from orchestrator.gateway.admin import Admin
from orchestrator.release.house import House
from orchestrator.stack.load import load_stack, load_variables

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.console import Console


def open_house(file: Path, console: Console) -> House:
    """Load the stack and connect. Raises ConfigurationError, EngineError."""
    stack = load_stack(file)
    return House(
        stack=stack,
        folder=file.resolve().parent,
        engine=DockerEngine(),
        admin=Admin(stack.gateway.admin),
        clock=SystemClock(),
        emit=console.show,
        variables=load_variables(file),
    )
