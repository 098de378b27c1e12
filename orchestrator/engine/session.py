"""A process inside a container that somebody sits at: bytes go in and come out as they are."""

from __future__ import annotations

import socket
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from orchestrator.clock import SystemClock, poll
from orchestrator.engine.connection import translated
from orchestrator.engine.plain import to_plain
from orchestrator.engine.streams import open_socket, read_frames, read_plain
from orchestrator.errors import Disconnected, EngineError, NotFound

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import docker

ENDING = 5.0  # seconds
# What the engine prints in place of a command's output where there is no such command.
NOT_STARTED = b"OCI runtime exec failed"
NOT_EXECUTABLE, NOT_FOUND = 126, 127  # and the exit codes that it gives then, as a shell does
ABSENT = ("executable file not found", "no such file or directory", "permission denied")


class DockerSession(ABC):
    """One end of a connection to a process. With a terminal the two streams of output are one."""

    def __init__(self, client: docker.APIClient, doing: str, *, terminal: bool) -> None:
        self._client = client
        self._doing = doing
        self._terminal = terminal
        self._stream: Any = None
        self._socket: socket.socket

    @abstractmethod
    def resize(self, rows: int, columns: int) -> None:
        """Say how large the terminal is."""

    def exit_code(self) -> int:
        """Return what the process ended with. Raises Disconnected where it has not ended."""
        return await_code(self._find_code, self._doing)

    def has_ended(self) -> bool:
        """Whether the process has ended; one that is yet to begin has not."""
        return self._find_code() is not None

    @abstractmethod
    def _find_code(self) -> int | None:
        """Return what the process ended with; None where it runs."""

    def send(self, data: bytes) -> None:
        """Give the process more input. Raises EngineError where it has ended."""
        with translated(self._doing):
            self._socket.sendall(data)

    def end_input(self) -> None:
        """Tell the process that there is no more input."""
        with translated(self._doing):
            self._socket.shutdown(socket.SHUT_WR)

    def output(self) -> Iterator[tuple[int, bytes]]:
        """Yield what the process prints, until its end: the stream (1 or 2) and the bytes.

        Raises EngineError where the engine goes.
        """
        read = read_plain if self._terminal else read_frames
        with translated(self._doing):
            try:
                yield from read(self._socket)
            except (ConnectionError, EOFError) as error:
                raise cut(self._doing) from error

    def close(self) -> None:
        """Leave the process; what reads its input finds the end of it."""
        with translated(self._doing):
            self._stream.close()
            self._socket.close()

    def _take(self, stream: Any) -> None:
        """Have the connection."""
        opened = open_socket(stream, None)  # somebody may think for as long as they like
        self._socket = to_plain(opened)
        self._stream = stream if self._socket is opened else self._socket


class JoinedSession(DockerSession):
    """A command beside what runs in a container anyway."""

    def __init__(
        self,
        client: docker.APIClient,
        container: str,
        argv: tuple[str, ...],
        *,
        user: str,
        terminal: bool,
        environment: Mapping[str, str] = {},
    ) -> None:
        super().__init__(client, f"running `{argv[0]}` in a container", terminal=terminal)
        self._argv = argv
        with translated(self._doing):
            made = client.exec_create(
                container,
                list(argv),
                stdin=True,
                tty=terminal,
                user=user,
                environment=dict(environment),
            )
            self._id: str = made["Id"]
            self._take(client.exec_start(self._id, socket=True, tty=terminal))

    def resize(self, rows: int, columns: int) -> None:
        """Say how large the terminal is."""
        with translated(self._doing):
            self._client.exec_resize(self._id, height=rows, width=columns)

    def output(self) -> Iterator[tuple[int, bytes]]:
        """Yield what the process prints. Raises NotFound where the container has no such program."""
        first = True
        for stream, data in super().output():
            if first and data.startswith(NOT_STARTED) and self._has_not_started():
                raise refuse_absent(self._argv[0])
            first = False
            yield stream, data

    def _find_code(self) -> int | None:
        with translated(self._doing):
            return find_code(self._client, self._id)

    def _has_not_started(self) -> bool:
        return self.exit_code() in (NOT_EXECUTABLE, NOT_FOUND)


class FirstSession(DockerSession):
    """The first process of a container that was made for it, and that is started here."""

    def __init__(
        self, client: docker.APIClient, container: str, program: str, *, terminal: bool
    ) -> None:
        super().__init__(client, f"running `{program}`", terminal=terminal)
        self._container = container
        streams = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        with translated(self._doing):
            self._take(client.attach_socket(container, params=streams))
        try:
            with translated(self._doing):
                client.start(container)
        except EngineError as error:
            self.close()
            if any(words in error.message for words in ABSENT):
                raise refuse_absent(program) from error
            raise

    def resize(self, rows: int, columns: int) -> None:
        """Say how large the terminal is."""
        with translated(self._doing):
            self._client.resize(self._container, height=rows, width=columns)

    def _find_code(self) -> int | None:
        with translated(self._doing):
            state = self._client.inspect_container(self._container)["State"]
        return None if state["Running"] else state["ExitCode"]


def find_code(client: docker.APIClient, command: str) -> int | None:
    """Return what a command beside others ended with; None where it runs or is yet to begin."""
    found = client.exec_inspect(command)
    return None if found["Running"] else found["ExitCode"]


def await_code(look: Callable[[], int | None], doing: str) -> int:
    """Return what a process ended with whose output has. Raises Disconnected where it goes on."""
    # Its streams may end a moment before the engine says that it has.
    code = poll(look, clock=SystemClock(), every=0.02, within=ENDING)
    if code is None:
        raise cut(doing)
    return code


def cut(doing: str) -> Disconnected:
    """Return what is said where a process may go on that nobody hears of any more."""
    return Disconnected(
        f"{doing}: the connection to the engine has ended, and the command may run on",
        "what it printed may not be whole; see whether the engine answers: `docker info`",
    )


def refuse_absent(program: str) -> NotFound:
    """Return what is said of a program that a container cannot run."""
    return NotFound(
        f"`{program}` cannot be run there: the container has no such program, or it may not be executed"
    )
