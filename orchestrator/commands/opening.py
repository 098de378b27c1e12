"""The way in for every command that needs the engine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

from orchestrator.console import Console
from orchestrator.events import Waiting
from orchestrator.release.house import House
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
def opened(settings: Settings) -> Iterator[tuple[House, Console]]:
    """Open the house with a console that shows its events; the console is put away afterwards."""
    console = Console(settings)
    with console:
        console.show(Waiting("looking at the stack"))  # connecting and reading take a second
        yield open_house(settings.file, console, reports=settings.reports), console
