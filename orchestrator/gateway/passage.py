"""A way from this machine to the gateway's public door, where only the engine's host reaches that.

It listens on this machine's loopback. Each connection to it becomes one to NGINX, through a command in
the gateway's container and the engine's own connection.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.errors import EngineError
from orchestrator.gateway.admin import PUBLIC_PORT
from orchestrator.gateway.afar import REACH
from orchestrator.stack.quantities import Address

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.engine.ports import Inside, Session


class Entrance(NamedTuple):
    """The public door of a gateway whose engine is on another machine."""

    door: Address  # where this machine reaches it
    shown: Address  # where people find it: on that machine, or from here


MOST = 65_536  # bytes that are carried at once
WAITING = 128  # connections that nobody has taken yet

# Whichever side hangs up, the other one is told. Not `cat`: the one of BusyBox keeps bytes back.
CARRY = f"""
{REACH}
exec 3<&0 4>&1 2>/dev/null
limit=
reach "$1" '(dd bs=64k <&3; kill $$) 4>&- & exec dd bs=64k >&4'
"""


class Passage:
    """Carries connections for as long as this process lives."""

    def __init__(self, engine: Inside, container: str, port: int) -> None:
        """Listen. `port` is the one inside of the container."""
        self._engine = engine
        self._container = container
        self._argv = ("sh", "-c", CARRY, "stackctl", str(port))
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=WAITING)
        self.address = Address(*self._listener.getsockname())
        threading.Thread(target=self._receive, name="passage", daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _receive(self) -> None:
        with suppress(OSError):  # it is closed
            while True:
                opened, _ = self._listener.accept()
                _begin(self._carry, opened)

    def _carry(self, opened: socket.socket) -> None:
        """Carry what NGINX answers, until one side hangs up."""
        with opened:
            try:
                session = self._engine.attend(self._container, self._argv)
            except EngineError:
                return  # whoever has connected sees that it is closed again
            _begin(_carry_over, opened, session)
            with suppress(EngineError, OSError):
                for _, data in session.output():
                    opened.sendall(data)
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)  # so that the other direction ends as well
            with suppress(EngineError):
                session.close()


def find_entrance(listen: Address, machine: str, engine: Inside, container: str) -> Entrance:
    """Return how this machine gets to the public door of a gateway on the machine of that name.

    What listens on that one's loopback only is reached through the engine's connection.
    """
    if ipaddress.ip_address(listen.host).is_loopback:
        carried = Passage(engine, container, PUBLIC_PORT).address
        return Entrance(carried, listen)
    door = Address(machine, listen.port) if listen.everywhere else listen
    return Entrance(door, door)


def _begin(carry: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=carry, args=arguments, daemon=True).start()


def _carry_over(opened: socket.socket, session: Session) -> None:
    """Carry what the client sends, until it hangs up; the command in the container ends by that."""
    with suppress(EngineError, OSError):
        while data := opened.recv(MOST):
            session.send(data)
        session.end_input()
