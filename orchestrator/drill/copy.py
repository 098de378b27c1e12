"""The throw-away copy of a stack that a drill may break."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.drill.belongings import (
    describe_removed,
    name_copy,
    refuse_others,
    remove_copy,
)
from orchestrator.drill.outside import find_outside
from orchestrator.drill.site import Site
from orchestrator.errors import StackctlError
from orchestrator.events import Warned
from orchestrator.settings import REPORTS_VARIABLE
from orchestrator.stack.boundary import ALLOW_VARIABLE
from orchestrator.stack.copy import write_copy
from orchestrator.stack.load import load_stack, load_variables
from orchestrator.stack.quantities import Address
from orchestrator.stack.vault import read_secrets
from orchestrator.wiring import open_house

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.console import Console
    from orchestrator.lifecycle.removal import Removed


@contextmanager
def throw_away(file: Path, console: Console, *, keep: bool = False) -> Iterator[Site]:
    """Give a copy of a stack with volumes of its own, on ports of its own; it is removed afterwards.

    Raises StackctlError where such a copy is there already, Conflict where a stack has its name.
    """
    folder = Path(tempfile.mkdtemp(prefix="stackctl-drill-"))
    try:
        site = _copy(file, folder, console)
        if refuse_others(site.house):
            raise StackctlError(
                f"a copy named `{site.house.stack.name}` is here already",
                "is another drill at work? else remove it: `stackctl drill --clean`",
            )
        for place in find_outside(site.house.stack, site.variables):
            told = (
                "leads out of the stack, and the copy has it too: the drill reads and writes there"
            )
            console.show(Warned(f"{place} {told}"))
        try:
            yield site
        finally:
            if not keep:
                removed = remove_copy(site.house)
                console.print_note(describe_removed(site.house.stack.name, removed))
    finally:
        if not keep:
            shutil.rmtree(folder)


def clean(file: Path, console: Console) -> Removed:
    """Remove the copy that a drill has left which died. Raises Conflict where a stack has its name."""
    with tempfile.TemporaryDirectory(prefix="stackctl-drill-") as folder:
        return remove_copy(_copy(file, Path(folder), console).house)


def _copy(file: Path, folder: Path, console: Console) -> Site:
    stack, variables = load_stack(file), load_variables(file)
    target = folder / file.name
    if stack.secrets_command is not None:
        folder_of_stack = file.resolve().parent
        found = read_secrets(stack.secrets_command, folder_of_stack, os.environ)
        variables = {**found, **variables}
    write_copy(file, variables, target, name_copy(stack.name), _find_doors())
    # The original was checked: its copy lies outside of the repository, and builds from there.
    house = open_house(target, console, outside=True)
    variables[ALLOW_VARIABLE] = "1"  # for the commands that the drill runs
    variables.pop(REPORTS_VARIABLE, None)  # what is broken on purpose leaves nothing there
    return Site(target, variables, replace(house, variables=variables))


def _find_doors() -> tuple[Address, Address]:
    """Return two addresses of this host alone on which nobody listens."""
    with socket.socket() as public, socket.socket() as admin:
        for each in (public, admin):
            each.bind(("127.0.0.1", 0))
        return Address(*public.getsockname()), Address(*admin.getsockname())
