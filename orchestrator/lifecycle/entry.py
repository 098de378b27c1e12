"""Which container of the stack somebody means to enter, and what has become of it afterwards."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.clock import poll
from orchestrator.errors import ConfigurationError, StackctlError
from orchestrator.release.observe import observe

if TYPE_CHECKING:
    from orchestrator.engine.values import Container
    from orchestrator.release.house import House
    from orchestrator.release.observe import Snapshot

KILLED = 128 + signal.SIGKILL  # exit code
ENDING = 2.0  # seconds


@dataclass(frozen=True)
class Entry:
    """A running container of a part."""

    part: str
    container: Container
    version: str  # that it runs; empty for what has none

    @property
    def told(self) -> str:
        """Say where that is."""
        return f"{self.container.name} ({self.version})" if self.version else self.container.name


def find_entry(house: House, part: str, number: int | None = None) -> Entry:
    """Return a replica of the version that users get, the first that runs or that of a number; or
    the one container of another part.

    Raises ConfigurationError, StackctlError where it does not run, EngineError.
    """
    snapshot = observe(house)
    if part in house.stack.services:
        return _find_replica(snapshot, part, number)
    if part not in {*house.stack.accessories, "gateway"}:
        names = [*house.stack.services, *house.stack.accessories, "gateway"]
        known = ", ".join(f"`{name}`" for name in sorted(names))
        raise ConfigurationError(f"there is no `{part}` in the stack; it has {known}")
    if number is not None:
        raise ConfigurationError(f"`{part}` has no replicas", "leave out `--replica`")
    found = snapshot.gateway if part == "gateway" else snapshot.accessories.get(part)
    if found is None or not found.running:
        raise StackctlError(f"`{part}` does not run", "bring the stack up: `stackctl up`")
    return Entry(part, found, "")


def _find_replica(snapshot: Snapshot, service: str, number: int | None) -> Entry:
    active = snapshot.active(service)
    running = [replica for replica in active if replica.container.running]
    wanted = [replica for replica in running if number in (None, replica.number)]
    if wanted:
        return Entry(service, wanted[0].container, wanted[0].version)
    if not running:
        raise StackctlError(
            f"no replica of `{service}` runs", "see why: `stackctl status`; `stackctl up` mends it"
        )
    there = ", ".join(str(replica.number) for replica in running)
    raise ConfigurationError(f"replica {number} of `{service}` does not run; there is {there}")


def tell_departure(house: House, entry: Entry, code: int) -> str | None:
    """Say that the command was killed with its container, and who serves now; None where it was not."""
    if code != KILLED:
        return None
    # The engine says of a container that it has ended a moment after its processes have.
    gone = poll(
        lambda: not _runs(house, entry) or None, clock=house.clock, every=0.05, within=ENDING
    )
    if not gone:
        return None
    serving = observe(house).version(entry.part)
    now = f"; users have {serving} now" if serving else ""
    return f"`{entry.container.name}` was stopped while the command ran{now}"


def _runs(house: House, entry: Entry) -> bool:
    containers = house.engine.containers(house.stack.name)
    return any(one.id == entry.container.id and one.running for one in containers)
