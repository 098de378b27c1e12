"""The way in for every command that needs the engine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from orchestrator.console import Console
from orchestrator.release.house import House
from orchestrator.settings import Settings
from orchestrator.wiring import open_house


@contextmanager
def opened(settings: Settings) -> Iterator[tuple[House, Console]]:
    """Open the house with a console that shows its events; the console is put away afterwards."""
    console = Console(settings)
    with console:
        yield open_house(settings.file, console), console
