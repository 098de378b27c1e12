"""A door of the engine that counts who comes in: a socket before the engine's own."""

from __future__ import annotations

import re
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CALL = re.compile(rb"[A-Z]+ /\S* HTTP/1\.1\r\n")
CHUNK = 65536


class Calls:
    """The HTTP requests that were sent to the engine."""

    def __init__(self) -> None:
        self.made = 0
        self._guard = threading.Lock()

    def look(self, chunk: bytes) -> None:
        """Count a request where one begins: docker-py sends each head in a piece of its own."""
        if CALL.match(chunk):
            with self._guard:
                self.made += 1


@contextmanager
def counted(engine: str, door: Path) -> Iterator[Calls]:
    """Pass everything on to the engine's socket while the block runs."""
    calls = Calls()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(door))
        listener.listen(64)
        accepting = threading.Thread(target=_accept, args=(listener, engine, calls), daemon=True)
        accepting.start()
        try:
            yield calls
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            accepting.join()


def _accept(listener: socket.socket, engine: str, calls: Calls) -> None:
    while True:
        try:
            client, _ = listener.accept()
        except OSError:  # it is closed: the block has ended
            return
        server = socket.socket(socket.AF_UNIX)
        server.connect(engine)
        for source, target, count in ((client, server, calls.look), (server, client, None)):
            threading.Thread(target=_pump, args=(source, target, count), daemon=True).start()


def _pump(
    source: socket.socket, target: socket.socket, look: Callable[[bytes], None] | None
) -> None:
    try:
        while chunk := source.recv(CHUNK):
            if look is not None:
                look(chunk)
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)
    except OSError:  # either side has hung up
        source.close()
        target.close()
