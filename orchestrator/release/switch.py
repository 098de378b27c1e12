"""The link of one service as a release, or the recovery from one, moves it: each move is told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.events import Emit, Moved, Noticed, Warned
from orchestrator.stack.arrival import choose_host

if TYPE_CHECKING:
    from orchestrator.engine.values import Container
    from orchestrator.gateway.addresses import AddressTable
    from orchestrator.gateway.apply import Gateway, Quiet
    from orchestrator.gateway.lane import Lane
    from orchestrator.release.house import House
    from orchestrator.stack.model import Color


@dataclass(frozen=True)
class Switch:
    """A service's link, and the gateway that follows it."""

    house: House
    gateway: Gateway
    service: str
    release: str  # whose moves these are; makes their names
    emit: Emit

    def move(self, word: str, lane: Lane) -> None:
        """Let another lane decide. `word` tells this move from others of the same release.

        Raises GatewayError, EngineError.
        """
        name, active = f"{self.release}.{word}", lane.active
        self.gateway.move(self.service, name, lane)
        self.emit(
            Moved(
                move=name,
                step=lane.step,
                active=active.version if active else None,
                color=active.color if active else None,
                green=lane.green,
            )
        )

    def confirm(self, lane: Lane) -> None:
        """Return once users get what the lane says. Raises GatewayError."""
        let_in = lane.paused and self.house.stack.gateway.pause.allow  # it may be us who ask
        self.gateway.confirm_move(self.service, lane, _cannot_tell if let_in else self._look)

    def drop(self) -> None:
        """Take the link away: nobody is served any more. Raises GatewayError, EngineError."""
        self.gateway.drop(self.service)

    def read(self) -> Lane | None:
        """Return the lane as NGINX finds it through the link; None where it finds none."""
        return self.house.admin.lane(self.service)

    def await_quiet(self, color: Color, table: AddressTable, within: float) -> Quiet:
        """Wait until nobody who decided for a color is unfinished, at most `within` seconds."""
        upstream = table.of(self.service, color)
        return self.gateway.await_quiet(self.service, color, upstream, within, self._tell_open)

    def _tell_open(self, connections: int) -> None:
        text = "1 connection" if connections == 1 else f"{connections} connections"
        self.house.emit(Noticed(text))

    def _look(self) -> str | None:
        """Return the upstream that users get; None where nobody can tell."""
        service = self.house.stack.services[self.service]
        if not service.routes:
            return None
        path = service.routes[0].path
        return self.house.admin.served(path, choose_host(service, path))


def _cannot_tell() -> None:
    """Say that nobody can tell what users get."""


def open_switch(
    house: House, container: Container, service: str, release: str, emit: Emit
) -> Switch:
    """Return the link of a service in a gateway that runs; `switch.gateway` is to be closed."""
    return Switch(house, house.open_gateway(container), service, release, emit)


def warn_of_cut(quiet: Quiet, emit: Emit) -> None:
    """Say how many connections were cut, where a color did not become quiet in time."""
    if quiet.cut:
        emit(Warned(f"{quiet.cut} connections were cut at the end of the drain"))
