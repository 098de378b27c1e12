"""A release in a process of its own, which stands still at a boundary until it is told to go on.

It is what the command line runs, with another sink for its events. On stdout it says `here` once it
stands there, and goes on with the next line on stdin; then follows its result, as JSON.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.console import Console
from orchestrator.drill.boundary import Boundary, parse_boundary
from orchestrator.errors import StackctlError
from orchestrator.events import Emit, Event, Started
from orchestrator.lifecycle.up import bring_up
from orchestrator.release.plan import Order
from orchestrator.release.rollout import deploy, rollback
from orchestrator.settings import Settings
from orchestrator.signals import listen
from orchestrator.wiring import open_house

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.clock import Clock
    from orchestrator.release.house import House
    from orchestrator.release.result import Result

HERE = "here"


def main(arguments: Sequence[str], clock: Clock | None = None) -> int:
    """Run `FILE BOUNDARY COMMAND SERVICE VERSION STRUCK`; return the exit code of that command.

    The boundary is one of the release of who is struck: the service, or one that goes with it. It tells the time by `clock`, where there is one.
    """
    listen()
    file, boundary, command, service, version, struck = arguments
    with Console(Settings(Path(file), "text", color=False)) as console:
        try:
            house = open_house(Path(file), console)
            emit = stand_still(house.emit, parse_boundary(boundary), struck)
            house = replace(house, emit=emit, clock=clock or house.clock)
            result = act(house, command, service, version)
        except StackctlError as error:
            console.print_error(error)
            return error.exit_code
    sys.stdout.write(json.dumps(result.facts()) + "\n")
    return result.exit_code


def act(house: House, command: str, service: str, version: str) -> Result:
    """Run the command; of `up` the result is that of the service."""
    if command == "deploy":
        return deploy(house, Order(service, version))
    if command == "rollback":
        return rollback(house, service)
    results = {result.service: result for result in bring_up(house).services}
    if service not in results:
        raise StackctlError(f"`up` did not come to `{service}`")
    return results[service]


def stand_still(emit: Emit, boundary: Boundary, service: str) -> Emit:
    """Return a sink that waits, the first time that a release of the service comes to a boundary."""
    state = {"ours": False, "done": False}

    def watch(event: Event) -> None:
        emit(event)
        if isinstance(event, Started):
            state["ours"] = event.service == service
        if state["ours"] and not state["done"] and boundary.is_marked_by(event):
            state["done"] = True
            sys.stdout.write(f"{HERE}\n")
            sys.stdout.flush()
            sys.stdin.readline()

    return watch


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
