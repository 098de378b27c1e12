"""A way from this machine to the gateway's public door, where only the engine's host reaches that.

It listens on this machine's loopback. Each connection to it becomes one to NGINX, through a command in
the gateway's container and the engine's own connection. Where that is cut, NGINX has not hung up: `cut`
tells the one from the other.
"""

from __future__ import annotations

import ipaddress
import signal
import socket
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.errors import Disconnected, EngineError, NotFound
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
    cut: Callable[[int], bool] | None = None  # of a carried one: see Passage.cut


MOST = 65_536  # bytes that are carried at once
WAITING = 128  # connections that nobody has taken yet
# What the command ends with where its input has ended before NGINX, or nobody takes what NGINX answers.
ABANDONED = (128 + signal.SIGTERM, 128 + signal.SIGPIPE)
UNSTARTED = 126  # what it ends with where it was not even started
SILENT = 3.0  # seconds without an answer, after which the engine is not reached
DECIDED = 8.0  # seconds in which the engine can say how a command has ended

# Whichever side hangs up, the other one is told. Not `cat`: the one of BusyBox keeps bytes back. Only the
# end of its input kills the command, not a NGINX that takes nothing more.
CARRY = f"""
{REACH}
exec 3<&0 4>&1 2>/dev/null
limit=
reach "$1" '(dd bs=64k <&3 && kill $$) 4>&- & exec dd bs=64k >&4'
"""


class _End:
    """How a connection that was carried ended."""

    def __init__(self) -> None:
        self.left = False  # who had connected here hung up first
        self.over = threading.Event()  # nothing more comes
        self._known = threading.Event()
        self._cut = False

    def tell(self, *, cut: bool) -> None:
        """Say how: by whom is known now."""
        self._cut = cut
        self._known.set()
        self.over.set()

    def was_cut(self) -> bool:
        """Whether it was cut; so it is where the engine does not come to say how it ended."""
        return self._cut if self._known.wait(DECIDED) else True


class Passage:
    """Carries connections for as long as this process lives."""

    def __init__(self, engine: Inside, container: str, port: int) -> None:
        """Listen. `port` is the one inside of the container."""
        self._engine = engine
        self._container = container
        self._ends: dict[int, _End] = {}  # by the port that a connection comes from
        self._argv = ("sh", "-c", CARRY, "stackctl", str(port))
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=WAITING)
        self.address = Address(*self._listener.getsockname())
        threading.Thread(target=self._receive, name="passage", daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def cut(self, port: int) -> bool:
        """Whether the connection from this port of ours was cut on its way, so that nobody here knows
        what NGINX answered. False where NGINX hung up, or says nothing while the engine does.

        To be asked before that connection is closed here; it takes up to `DECIDED` seconds.
        """
        end = self._ends.get(port)
        if end is None:
            return False
        return end.was_cut() if end.over.is_set() else self._is_silent()

    def _is_silent(self) -> bool:
        """Whether the engine does not answer: then nothing that is on its way arrives.

        It is asked for what it knows itself: a gateway that stands still is no engine that does.
        """
        answered = threading.Event()

        def ask() -> None:
            try:
                self._engine.processes(self._container)
            except Disconnected:
                return
            except EngineError:
                pass
            answered.set()

        _begin(ask)
        return not answered.wait(SILENT)

    def _receive(self) -> None:
        with suppress(OSError):  # it is closed
            while True:
                opened, (_, port) = self._listener.accept()
                end = self._ends[port] = _End()
                _begin(self._carry, opened, end)

    def _carry(self, opened: socket.socket, end: _End) -> None:
        """Carry what NGINX answers, until one side hangs up."""
        with opened:
            try:
                session = self._engine.attend(self._container, self._argv)
            except EngineError as error:
                end.tell(cut=isinstance(error, Disconnected))
                return  # whoever has connected sees that it is closed again
            _begin(_carry_over, opened, session, end)
            told = _carry_back(opened, session)
            end.over.set()
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)  # so that the other direction ends as well
        end.tell(cut=not end.left and self._was_cut(session, told=told))
        with suppress(EngineError):
            session.close()

    def _was_cut(self, session: Session, *, told: bool) -> bool:
        """Whether the connection to a command was cut, rather than that the command has ended by itself.

        Where that happens before the command is started, the engine has nobody to say so to. A container
        that does not run says it; or runs no more.
        """
        try:
            code = session.exit_code()
            if code == UNSTARTED and not told:
                self._engine.processes(self._container)
                return True
        except Disconnected:
            return True  # the engine is not reached; or the command runs on
        except EngineError:
            return False  # there is no such container any more
        return code in ABANDONED


def find_entrance(listen: Address, machine: str, engine: Inside, container: str) -> Entrance:
    """Return how this machine gets to the public door of a gateway on the machine of that name.

    What listens on that one's loopback only is reached through the engine's connection.
    """
    if ipaddress.ip_address(listen.host).is_loopback:
        passage = Passage(engine, container, PUBLIC_PORT)
        return Entrance(passage.address, listen, passage.cut)
    door = Address(machine, listen.port) if listen.everywhere else listen
    return Entrance(door, door)


def _begin(carry: Callable[..., None], *arguments: object) -> None:
    threading.Thread(target=carry, args=arguments, daemon=True).start()


def _carry_back(opened: socket.socket, session: Session) -> bool:
    """Carry what NGINX answers; return whether anything came, were it the engine's word that there is no
    such command.
    """
    told = False
    try:
        for _, data in session.output():
            told = True
            opened.sendall(data)
    except NotFound:
        return True
    except (EngineError, OSError):
        pass
    return told


def _carry_over(opened: socket.socket, session: Session, end: _End) -> None:
    """Carry what the client sends, until it hangs up; the command in the container ends by that."""
    with suppress(EngineError, OSError):
        while data := opened.recv(MOST):
            session.send(data)
        end.left = not end.over.is_set()
        session.end_input()
