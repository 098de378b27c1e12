"""One case: a release stands still, is struck and ends; then the next command puts things right."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from orchestrator.drill.faults import Scene
from orchestrator.drill.load import under_load
from orchestrator.drill.verdict import Observation, count_toll
from orchestrator.errors import StackctlError
from orchestrator.reports import list_folders, read_own

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.drill.faults import Case
    from orchestrator.drill.site import Site

LOCK_WAIT = "10"  # seconds; the lock of whoever was killed is free after less than one
CALM = 1.0  # seconds of load after all is right again: users must stay served


class Exercise:
    """A service of a site, of which two versions take turns; `watched` is who must stay served."""

    def __init__(
        self, site: Site, service: str, versions: tuple[str, str], watched: str = ""
    ) -> None:
        self._site = site
        self._service = service
        self._versions = versions
        self._watched = watched or service

    def run(self, case: Case) -> Observation:
        """Strike one release. Raises StackctlError where it does not come to its boundary."""
        before = self.make_ready(case.command)
        wanted = next(version for version in self._versions if version != before)
        house = self._site.house
        known = set(self._list_releases())
        with under_load(house, self._watched) as samples:
            code, struck = self._strike(case, wanted)
            said = self._read_status()["recovery"]
            error = self._put_right()
            house.clock.sleep(CALM)
        status = self._read_status()
        return Observation(
            case=case,
            code=code,
            before=before,
            wanted=wanted,
            after=self._find_active(status),
            toll=count_toll(
                samples, case.fault, struck, house.stack.services[self._watched].replicas
            ),
            said=tuple(said),
            unclean=tuple(self._find_unclean(status)),
            evidence=_read_outcome(next(f for f in self._list_releases() if f not in known)),
            error=error,
        )

    def make_ready(self, command: str) -> str:
        """Bring the site to where the command can begin; return the version that users have."""
        self._site.require("up")
        active = self._find_active(self._read_status())
        if command == "rollback" and not self._has_previous():
            other = next(version for version in self._versions if version != active)
            self._site.require("deploy", self._service, "--version", other)
            return other
        return active

    def _strike(self, case: Case, wanted: str) -> tuple[int, tuple[float, float]]:
        """Run the command up to its boundary, strike, and let it end: its exit code, and when."""
        clock = self._site.house.clock
        struck = case.companion or self._service
        with self._site.rehearse(
            case.boundary, case.command, self._service, wanted, struck
        ) as actor:
            if not actor.arrive():
                told = actor.finish().err.strip()
                raise StackctlError(f"the {case.command} did not come to {case.boundary}: {told}")
            scene = Scene(self._site, struck, actor, self._site.look())
            began = clock.now().timestamp()
            case.fault.strike(scene)
            lasted = (began, clock.now().timestamp())
            ended = actor.finish()
            case.fault.mend(scene)
            return ended.code, lasted

    def _put_right(self) -> str:
        """Run the next command; return why it failed, or nothing."""
        done = self._site.run("up", "--wait", LOCK_WAIT)
        return done.err.strip().rpartition("error: ")[2] if done.code else ""

    def _read_status(self) -> Any:
        return self._site.require("status")

    def _has_previous(self) -> bool:
        (found,) = (s for s in self._read_status()["services"] if s["name"] == self._service)
        return found["previous"] is not None

    def _find_active(self, status: Any) -> str:
        (found,) = (s for s in status["services"] if s["name"] == self._service)
        return str(found["active"]["version"]) if found["active"] else ""

    def _find_unclean(self, status: Any) -> Iterator[str]:
        """Yield what is left over although the next command has been there."""
        yield from status["drift"]
        yield from status["recovery"]
        if status["lock"]:
            yield f"the lock is held by `{status['lock']['command']}`"
        for service in status["services"]:
            if service["candidate"]:
                yield f"there is still a candidate of `{service['name']}`"
        house, container = self._site.house, self._site.look().gateway
        gateway = container and house.open_gateway(container)
        stored = gateway.stored() if gateway else ()
        if len(stored) != 1:
            yield f"the gateway holds {len(stored)} configs, expected 1"
        verified = self._site.run("evidence", "verify")
        if verified.code:
            yield f"evidence: {verified.err.strip()}"

    def _list_releases(self) -> list[Path]:
        return list_folders(self._site.house.releases)


def _read_outcome(folder: Path) -> str:
    try:
        return str(json.loads(read_own(folder / "evidence.json"))["outcome"])
    except FileNotFoundError:
        return "missing"
