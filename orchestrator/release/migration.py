"""What a new version does to the database before its replicas start, in one container, once.

Both versions live on the same database for a while, and a release that fails later leaves the
database as it is then: a migration must only add what the active version can live with.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.clock import poll
from orchestrator.errors import CandidateError
from orchestrator.release.candidate import ensure_volumes
from orchestrator.signals import put_off
from orchestrator.stack import naming

if TYPE_CHECKING:
    from orchestrator.engine.values import Container, ContainerSpec
    from orchestrator.release.house import House

LOOK_EVERY = 0.05  # seconds
HINT = "the active version still serves; what the migration has done to the database is not undone"


def migrate_database(house: House, spec: ContainerSpec, deadline: float) -> None:
    """Run a migration to its end. One that fails is left for its log to be read.

    `deadline` is in seconds. Raises CandidateError, EngineError.
    """
    for left in _find(house, spec):  # by a release that died
        house.engine.remove(left.id, data=True)
    ensure_volumes(house.engine, (spec,))
    with put_off():  # a container that is still being made would be missed by the undoing
        house.engine.run(spec)

    def ended() -> Container | None:
        found = next(iter(_find(house, spec)), None)
        if found is None:
            raise CandidateError(f"`{spec.name}` was removed while it ran", HINT)
        return found if found.crashed else None

    done = poll(ended, clock=house.clock, every=LOOK_EVERY, within=deadline)
    if done is None:
        raise CandidateError(f"the migration did not end within {deadline:g} s", HINT)
    if done.exit_code != 0:
        raise CandidateError(f"the migration ended with exit code {done.exit_code}", HINT)
    house.engine.remove(done.id, data=True)


def _find(house: House, spec: ContainerSpec) -> list[Container]:
    """Return the containers of a service's migrations; a database may have taken their name."""
    role = spec.labels[naming.ROLE]
    return [
        container
        for container in house.engine.containers(house.stack.name)
        if container.name == spec.name and container.labels.get(naming.ROLE) == role
    ]
