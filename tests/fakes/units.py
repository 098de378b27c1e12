"""A stack whose service takes two workers along: `jobs` of the same image, and `clock`, which must be alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.events import PhaseBegan, PhaseEnded, Started
from orchestrator.stack import naming
from tests.fakes.workers import find_overlaps
from tests.fakes.world import DOCKERFILE, NOTES, World

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from orchestrator.events import Event
    from orchestrator.release.phases import Phase

UNIT = ("notes", "jobs", "clock")


class UnitWorld(World):
    """As a World; `jobs` and `clock` go with `notes`. Each has one replica and a quick gate."""

    def __init__(self, folder: Path, **document: Any) -> None:
        folder.mkdir(exist_ok=True)
        worker = {"health": {"steady": "1s"}}
        services = {
            "clock": {"build": "clock", "command": ["clock"], "strategy": "recreate", **worker},
            "jobs": {"build": "notes", "command": ["jobs"], **worker},
            "notes": {**NOTES, "replicas": 1, "with": ["jobs", "clock"]},
        }
        super().__init__(folder, **{"services": services, **document})
        (folder / "clock").mkdir()
        (folder / "clock" / "Dockerfile").write_text(DOCKERFILE)

    def lanes(self) -> dict[str, str]:
        """Return the version of each member by its lane."""
        lanes = self.house.admin.lanes()
        found = {name: lanes[name].active for name in UNIT if name in lanes}
        return {name: active.version for name, active in found.items() if active}

    def at_work(self, service: str) -> set[str]:
        """Return the versions of a service whose containers run."""
        return {
            box.version
            for box in self.host.boxes.values()
            if box.state == "running"
            and box.spec.labels.get(naming.ROLE) == "service"
            and box.spec.labels.get(naming.SERVICE) == service
        }

    def find_version(self) -> str:
        """Return the version that all members have; what runs beside it or is not alone is refused."""
        lanes = self.lanes()
        assert lanes.keys() == {*UNIT}, lanes
        (version,) = {*lanes.values()}
        assert self.serving() == {version}
        assert {name: self.at_work(name) for name in UNIT} == {name: {version} for name in UNIT}
        assert find_overlaps(c for c in self.host.changes if "-clock-" in c.subject) == []
        return version

    def on_phase_of(
        self, service: str, phase: Phase, moment: str, act: Callable[[], object]
    ) -> None:
        """Let something happen at the `begin` or the `end` of a phase of one member's first release."""
        kind = PhaseBegan if moment == "begin" else PhaseEnded
        seen: list[str] = []

        def watch(event: Event) -> None:
            if isinstance(event, Started):
                seen.append(event.service)
                return
            here = isinstance(event, kind) and event.phase == phase and seen[-1:] == [service]
            if here and seen.count(service) == 1:
                act()

        self.hooks.append(watch)
