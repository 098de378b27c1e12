"""A process inside a container that somebody sits at: bytes go in and come out as they are."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Any

from orchestrator.engine.connection import translated
from orchestrator.errors import EngineError, NotFound

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

HEADER = 8  # bytes before each frame: the stream's number, three zeros, the length
MOST = 65_536  # bytes that are taken at once
OUT, ERROR = 1, 2
# What the engine prints in place of a command's output where there is no such command.
NOT_STARTED = b"OCI runtime exec failed"
NOT_EXECUTABLE, NOT_FOUND = 126, 127  # and the exit codes that it gives then, as a shell does


class DockerSession:
    """One end of an exec session. With a terminal the two streams of output are one."""

    def __init__(
        self,
        client: docker.APIClient,
        container: str,
        argv: tuple[str, ...],
        *,
        user: str,
        terminal: bool,
    ) -> None:
        self._client = client
        self._argv = argv
        self._terminal = terminal
        self._doing = f"running `{argv[0]}` in a container"
        with translated(self._doing):
            made = client.exec_create(container, list(argv), stdin=True, tty=terminal, user=user)
            self._id: str = made["Id"]
            stream: Any = client.exec_start(self._id, socket=True, tty=terminal)
            self._stream = stream
            # Over a unix socket docker-py hands out a wrapper that can only read.
            self._socket: socket.socket = getattr(stream, "_sock", stream)
            self._socket.settimeout(None)  # somebody may think for as long as they like

    def send(self, data: bytes) -> None:
        """Give the process more input. Raises EngineError where it has ended."""
        with translated(self._doing):
            self._socket.sendall(data)

    def end_input(self) -> None:
        """Tell the process that there is no more input."""
        with translated(self._doing):
            self._socket.shutdown(socket.SHUT_WR)

    def resize(self, rows: int, columns: int) -> None:
        """Say how large the terminal is."""
        with translated(self._doing):
            self._client.exec_resize(self._id, height=rows, width=columns)

    def output(self) -> Iterator[tuple[int, bytes]]:
        """Yield what the process prints, until its end: the stream (1 or 2) and the bytes.

        Raises NotFound where the container has no such program, EngineError where the engine goes.
        """
        first = True
        for stream, data in self._read_all():
            if first and data.startswith(NOT_STARTED) and self._has_not_started():
                raise NotFound(
                    f"`{self._argv[0]}` cannot be run there: the container has no such program, or it"
                    " may not be executed"
                )
            first = False
            yield stream, data

    def exit_code(self) -> int:
        """Return what the process ended with. Raises EngineError where it has not ended."""
        with translated(self._doing):
            found = self._client.exec_inspect(self._id)
        if found["Running"] or found["ExitCode"] is None:
            raise EngineError(
                f"{self._doing}: the connection to the engine has ended, and the command may run on"
            )
        return int(found["ExitCode"])

    def close(self) -> None:
        """Leave the process; what reads its input finds the end of it."""
        with translated(self._doing):
            self._stream.close()
            self._socket.close()

    def _has_not_started(self) -> bool:
        return self.exit_code() in (NOT_EXECUTABLE, NOT_FOUND)

    def _read_all(self) -> Iterator[tuple[int, bytes]]:
        with translated(self._doing):
            if self._terminal:
                while data := self._socket.recv(MOST):
                    yield OUT, data
                return
            while header := self._read(HEADER):
                left = int.from_bytes(header[4:], "big")
                while left and (data := self._socket.recv(min(left, MOST))):
                    left -= len(data)
                    yield (ERROR if header[0] == ERROR else OUT), data

    def _read(self, count: int) -> bytes:
        """Return so many bytes, or nothing where the stream ends before."""
        taken = b""
        while len(taken) < count:
            chunk = self._socket.recv(count - len(taken))
            if not chunk:
                return b""
            taken += chunk
        return taken
