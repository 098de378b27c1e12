"""A process that somebody sits at, as its bytes come over the connection to the engine."""

from __future__ import annotations

import socket
import struct
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

import pytest

from orchestrator.engine.docker import DockerEngine
from orchestrator.engine.session import JoinedSession
from orchestrator.engine.values import Output
from orchestrator.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

ENDED = {"Running": False, "ExitCode": 0}
FRAMES = b"\1\0\0\0\0\0\0\3one\2\0\0\0\0\0\0\3two"


class OneExec:
    """An engine that has started one command; what it tells of that last, it goes on to tell."""

    def __init__(self, started: Any, *told: dict[str, Any]) -> None:
        self._started = started
        self._told = [*told]

    def exec_create(self, *_: Any, **__: Any) -> dict[str, str]:
        """Have a command."""
        return {"Id": "1"}

    def exec_start(self, *_: Any, **__: Any) -> Any:
        """Give the connection away, or what was printed."""
        return self._started

    def exec_inspect(self, _: str) -> dict[str, Any]:
        """Say what became of it."""
        return self._told.pop(0) if len(self._told) > 1 else self._told[0]


def reset(engine: socket.socket) -> None:
    """Break a connection off, as a machine does that was started anew."""
    engine.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.fixture
def ends() -> Iterator[tuple[JoinedSession, socket.socket]]:
    """Return a session, and the engine's end of its connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        engine, _ = server.accept()
    client = cast("docker.APIClient", OneExec(ours, ENDED))
    with (
        engine,
        closing(JoinedSession(client, "x", ("dump",), user="", terminal=False)) as session,
    ):
        yield session, engine


def test_output_that_ends_between_two_frames_is_whole(
    ends: tuple[JoinedSession, socket.socket],
) -> None:
    """Each piece comes by the stream that it was printed on."""
    session, engine = ends
    engine.sendall(FRAMES)
    engine.close()
    assert list(session.output()) == [(1, b"one"), (2, b"two")]
    assert session.exit_code() == 0


@pytest.mark.parametrize(
    "lost", [1, 3, 5, 10], ids=["a byte", "all behind a header", "half a header", "a header's end"]
)
@pytest.mark.parametrize("end", [None, reset], ids=["end", "reset"])
def test_output_that_is_cut_is_not_taken_for_whole(
    ends: tuple[JoinedSession, socket.socket],
    lost: int,
    end: Callable[[socket.socket], None] | None,
) -> None:
    """Whoever keeps a dump would keep half of it; the command's own exit code says nothing of that."""
    session, engine = ends
    engine.sendall(FRAMES[:-lost])
    output = session.output()
    assert next(output) == (1, b"one")
    if end is not None:
        end(engine)
    engine.close()
    with pytest.raises(EngineError, match=r"`dump`.* connection .* has ended") as caught:
        list(output)
    assert "may not be whole" in str(caught.value.hint)


@pytest.mark.parametrize(
    "before",
    [{"Running": True, "ExitCode": None}, {"Running": False, "ExitCode": None}],
    ids=["runs", "yet to begin"],
)
def test_a_command_is_not_done_before_the_engine_says_so(before: dict[str, Any]) -> None:
    """Nothing is taken for its exit code that the engine has not said."""
    engine = DockerEngine(
        cast("docker.APIClient", OneExec(b"done", before, before, ENDED | {"ExitCode": 3}))
    )
    assert engine.execute("x", ("dump",)) == Output(3, "done")
