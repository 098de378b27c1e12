"""A stack whose service is a worker: nobody sends it requests, so who works is who runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.stack import naming
from tests.fakes.world import World

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from tests.fakes.host import Change

STARTS, ENDS = ("start",), ("stop", "remove")


class WorkerWorld(World):
    """As a World; `notes` has no port, two replicas, and a gate of one second."""

    def __init__(self, folder: Path, **keys: Any) -> None:
        super().__init__(folder)
        self.notes.pop("port")
        self.notes.update({"health": {"steady": "1s"}, **keys})

    def serving(self, service: str = "notes") -> set[str]:
        """Return the versions that work."""
        return {
            box.version
            for box in self.host.boxes.values()
            if box.state == "running"
            and box.spec.labels.get(naming.ROLE) == "service"
            and box.spec.labels.get(naming.SERVICE) == service
        }


def find_overlaps(changes: Iterable[Change]) -> list[str]:
    """Return what was started while another color of its service ran; all changes must be there."""
    found, running = [], set()
    for change in changes:
        name = change.subject
        color = next((color for color in ("-blue-", "-green-") if color in name), None)
        if color is None:
            continue
        if change.what in ENDS:
            running.discard(name)
        elif change.what in STARTS:
            found += [f"{name} beside {other}" for other in running if color not in other]
            running.add(name)
        elif change.what == "rename":
            running.discard(name)
    return found


class WriterWorld(World):
    """As a World; `notes` answers requests, and must be alone."""

    def __init__(self, folder: Path, **keys: Any) -> None:
        super().__init__(folder)
        self.notes.update({"strategy": "recreate", **keys})


def open_writer(folder: Path) -> WriterWorld:
    """Return a stack whose service answers requests and must be alone; v1 runs, in blue."""
    world = WriterWorld(folder)
    world.up()
    world.events.clear()
    return world


def open_alone(folder: Path) -> WorkerWorld:
    """Return a stack whose worker must be alone; v1 runs, in blue, and nothing was told yet."""
    world = WorkerWorld(folder, strategy="recreate")
    world.up()
    world.events.clear()
    return world
