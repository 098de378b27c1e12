"""When an accessory is ready: its health command says so, its port listens, or it stays up."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.clock import poll
from orchestrator.errors import EngineError
from orchestrator.events import Noticed, Waiting
from orchestrator.release.observe import observe
from orchestrator.sockets import SOCKETS, listens

if TYPE_CHECKING:
    from orchestrator.release.house import House

READY_EVERY = 0.2  # seconds
STEADY = 5  # looks in a row at which one without port and health has to run


def await_accessories(house: House) -> None:
    """Wait until all accessories are ready. Raises EngineError."""
    for name, accessory in house.stack.accessories.items():
        house.emit(Waiting(f"until {name} is ready", accessory.deadline))
        look = _Look(house, name)
        if not poll(look.ready, clock=house.clock, every=READY_EVERY, within=accessory.deadline):
            found = observe(house).accessories.get(name)
            said = house.engine.logs(found.id, tail=5).strip() if found else "it is gone"
            raise EngineError(
                f"accessory `{name}` is not ready after {accessory.deadline:g} s: {said}",
                f"see `stackctl logs {name}`",
            )


class _Look:
    def __init__(self, house: House, name: str) -> None:
        self._house = house
        self._name = name
        self._port = house.stack.accessories[name].port
        self._ran = 0  # looks in a row

    def ready(self) -> bool | None:
        """Whether it is ready; None where it is not yet."""
        found = observe(self._house).accessories.get(self._name)
        if found is None or not found.running:
            self._ran = 0
            self._house.emit(Noticed(f"it is {found.state}" if found else "it is gone"))
            return None
        if found.health:
            self._house.emit(Noticed(found.health))
            return found.health == "healthy" or None
        if self._port is None:
            self._ran += 1
            return self._ran >= STEADY or None
        return listens(self._house.engine.execute(found.id, SOCKETS).text, self._port) or None
