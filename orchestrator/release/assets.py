"""Assets in a release: what the candidate has is with the gateway before users get the candidate.

So a page of either version finds its files, whichever version its client is sent to.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.errors import CandidateError, EngineError, GatewayError, NotFound, StackctlError
from orchestrator.events import AssetsStored, Warned
from orchestrator.gateway.edition import Stored
from orchestrator.gateway.intake import Intake
from orchestrator.gateway.shelf import Shelf
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.engine.values import Container
    from orchestrator.gateway.edition import Content, Edition
    from orchestrator.gateway.lane import Target
    from orchestrator.release.plan import Plan
    from orchestrator.release.replica import Replica
    from orchestrator.release.run import Run
    from orchestrator.stack.assets import Assets
    from orchestrator.stack.model import Color

NO_ROOM = (
    "make room on the engine's disk: `stackctl prune`, `docker system df`; or lower `max_size`"
)
NO_FOLDER = "let `from` of `assets` name the folder that the container has the files in"


def store_assets(run: Run, plan: Plan, candidate: Container) -> None:
    """Bring the gateway the candidate's files, and the active version's where it has none of them.

    Raises CandidateError, GatewayError, EngineError: then nobody has got the candidate.
    """
    folders = plan.service.assets
    if not folders:
        return
    house, now = run.house, int(run.house.clock.now().timestamp())
    shelf = Shelf(house.engine, plan.gateway.id, plan.order.service)
    copy = _Copy(run, shelf, folders, now)
    edition = shelf.read()
    if plan.previous is not None:
        edition = copy.take_active(edition, plan.previous, plan.outgoing)
    edition = copy.take(edition, plan.candidate.color, candidate, plan.order.version)
    edition = edition.thin(now, find_longest(folders), find_most(folders))
    try:
        shelf.publish(edition, run.record.release)
    except EngineError as error:
        raise GatewayError(f"assets were not kept: {error.message}", NO_ROOM) from error
    try:
        shelf.sweep(edition)
    except StackctlError as error:  # it is only room
        run.emit(Warned(f"old assets were not removed: {error.message}"))
    stored = edition.find(identify(candidate, folders))
    if stored is not None:
        others = [one.version for one in edition.versions if one is not stored]
        total = sum(edition.contents().values())
        told = tuple(dict.fromkeys(others))
        run.emit(AssetsStored(len(stored.files), stored.size, copy.copied, told, total))


def find_longest(folders: Sequence[Assets]) -> float:
    """Return the seconds for which files stay, of all folders of a service."""
    return max(one.keep for one in folders)


def find_most(folders: Sequence[Assets]) -> int:
    """Return the bytes that the files of all versions of a service may have."""
    return sum(one.max_size for one in folders)


@dataclass
class _Copy:
    """Files on their way from containers to the gateway."""

    run: Run
    shelf: Shelf
    folders: Sequence[Assets]
    now: int  # Unix time
    copied: bool = False  # whether the last one was not there

    def take_active(self, edition: Edition, active: Target, replicas: Sequence[Replica]) -> Edition:
        """Return an edition that knows what the version has that users get now.

        One that was released before `assets` stood in stack.yaml may have no such folder. That is no
        fault: its clients get nothing but what it answers itself.
        """
        container = next((one.container for one in replicas), None)
        try:
            if container is None:
                raise NotFound(f"{active.version} has no container")
            edition = self.take(edition, active.color, container, active.version)
        except StackctlError as error:
            self.run.emit(Warned(f"assets of {active.version} are not kept: {error.message}"))
            return edition.without(active.color)
        return edition.see(identify(container, self.folders), self.now)

    def take(self, edition: Edition, color: Color, container: Container, version: str) -> Edition:
        """Return an edition with what a container has as the version of a color.

        Raises CandidateError where the container does not have it, GatewayError where there is no room.
        """
        identity = identify(container, self.folders)
        stored = edition.find(identity)
        self.copied = stored is None
        if stored is None:
            files: dict[str, Content] = {}
            for folder in self.folders:
                with Intake(folder.path, folder.max_size) as intake:
                    self._copy(folder, intake, container, version)
                files |= intake.files
            stored = Stored(identity, version, self.now, None, files)
        return edition.put(color, stored)

    def _copy(self, folder: Assets, intake: Intake, container: Container, version: str) -> None:
        engine = self.run.house.engine
        try:
            intake.take(engine.fetch(container.id, folder.source))
        except EngineError as error:
            if isinstance(error, NotFound) or "not a directory" in error.message:
                told = f"`assets`: {version} has no folder `{folder.source}`"
                raise CandidateError(told, NO_FOLDER) from error
            raise
        if intake.left_out:
            told = f"links and devices are no assets: {intake.left_out} in `{folder.source}` of {version}"
            self.run.emit(Warned(told))
        try:
            self.shelf.add(intake)
        except EngineError as error:
            raise GatewayError(f"assets were not kept: {error.message}", NO_ROOM) from error


def identify(container: Container, folders: Sequence[Assets]) -> str:
    """Return what a version's files are known by: image and making of its container, and the folders.

    An app may write its files at its start, from its variables: so the image alone would not do.
    """
    places = [(one.path, one.source) for one in folders]
    facts = json.dumps([container.image, container.labels.get(naming.SPEC, ""), places])
    return hashlib.sha256(facts.encode()).hexdigest()[:16]
