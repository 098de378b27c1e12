"""The way in for every command that needs the engine."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

from orchestrator.console import Console
from orchestrator.events import Waiting
from orchestrator.release.house import House
from orchestrator.release.result import Result
from orchestrator.settings import Settings
from orchestrator.wiring import open_house

# What a release needs after its first event: each is imported by whom needs it, where it is needed.
LATER = (
    "jinja2",
    "orchestrator.evidence.witness",
    "tenacity",
    "orchestrator.evidence.report",
    "orchestrator.catalogue.index",
    "orchestrator.announce.announcement",
)


def load_ahead(house: House) -> None:
    """Do, while the engine is waited for, what a release needs only later: ask its name, import."""
    threading.Thread(
        target=lambda: (house.whereabouts, *map(import_module, LATER)), name="ahead"
    ).start()


@contextmanager
def opened(settings: Settings, *, build_here: bool = False) -> Iterator[tuple[House, Console]]:
    """Open the house with a console that shows its events; the console is put away afterwards.

    With `build_here` images are built by this machine's engine.
    """
    console = Console(settings)
    with console:
        console.show(Waiting("looking at the stack"))  # connecting and reading take a second
        house = open_house(settings.file, console, reports=settings.reports, build_here=build_here)
        yield house, console


def conclude(
    house: House,
    console: Console,
    result: Result,
    junit: Path | None,
    everything: Sequence[Result] = (),
) -> int:
    """Tell people, CI and webhooks what came of a release, and of `everything` that was needed for it.

    Return the exit code: the worst of theirs. `junit` is the file that gets this release as JUnit XML.
    """
    everything = everything or (result,)
    console.print_beside([one for one in everything if one is not result])
    console.print_result(result)
    from orchestrator.announce.announcement import Announcement

    Announcement(house, result, os.environ, everything=everything).tell(junit)
    return max(one.exit_code for one in everything)
