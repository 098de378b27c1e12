"""The throw-away copy of a stack that a drill may break."""

from __future__ import annotations

import shutil
import socket
import tempfile
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.drill.site import Site
from orchestrator.errors import StackctlError
from orchestrator.lifecycle.removal import take_down
from orchestrator.stack.boundary import ALLOW_VARIABLE
from orchestrator.stack.copy import write_copy
from orchestrator.stack.load import load_stack, load_variables
from orchestrator.stack.quantities import Address
from orchestrator.wiring import open_house

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.console import Console
    from orchestrator.release.house import House

SUFFIX = "-drill"
LOCK_WAIT = 30.0  # seconds; a drill that breaks off has just killed who held it
LONGEST_NAME = 20  # of a stack


@contextmanager
def throw_away(file: Path, console: Console, *, keep: bool = False) -> Iterator[Site]:
    """Give a copy of a stack with data of its own, on ports of its own; it is removed afterwards.

    Raises StackctlError where such a copy is there already.
    """
    folder = Path(tempfile.mkdtemp(prefix="stackctl-drill-"))
    try:
        site = _copy(file, folder, console)
        if site.house.engine.containers(site.house.stack.name):
            raise StackctlError(
                f"a copy named `{site.house.stack.name}` is here already",
                "is another drill at work? else remove it: `stackctl drill --clean`",
            )
        try:
            yield site
        finally:
            if not keep:
                _remove(site.house)
    finally:
        if not keep:
            shutil.rmtree(folder)


def remove_copy(file: Path, console: Console) -> None:
    """Remove the copy that a drill has left which died."""
    with tempfile.TemporaryDirectory(prefix="stackctl-drill-") as folder:
        _remove(_copy(file, Path(folder), console).house)


def _remove(house: House) -> None:
    """Remove a copy with its data and its images."""
    take_down(house, volumes=True, wait=LOCK_WAIT)
    for image in house.engine.images(house.stack.name):
        for tag in image.handles:
            house.engine.remove_image(tag)


def _copy(file: Path, folder: Path, console: Console) -> Site:
    stack, variables = load_stack(file), load_variables(file)
    name = stack.name[: LONGEST_NAME - len(SUFFIX)].rstrip("-") + SUFFIX
    target = folder / file.name
    write_copy(file, variables, target, name, _find_doors())
    # The original was checked: its copy lies outside of the repository, and builds from there.
    house = open_house(target, console, outside=True)
    variables[ALLOW_VARIABLE] = "1"  # for the commands that the drill runs
    return Site(target, variables, replace(house, variables=variables))


def _find_doors() -> tuple[Address, Address]:
    """Return two addresses of this host alone on which nobody listens."""
    with socket.socket() as public, socket.socket() as admin:
        for each in (public, admin):
            each.bind(("127.0.0.1", 0))
        return Address(*public.getsockname()), Address(*admin.getsockname())
