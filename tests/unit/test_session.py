"""A process that somebody sits at, as its bytes come over the connection to the engine."""

from __future__ import annotations

import socket
import struct
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

import pytest

from orchestrator.engine.session import JoinedSession
from orchestrator.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import docker

FRAMES = b"\1\0\0\0\0\0\0\3one\2\0\0\0\0\0\0\3two"


class OneExec:
    """An engine that has started one command, which has ended with 0."""

    def __init__(self, theirs: socket.socket) -> None:
        self._theirs = theirs

    def exec_create(self, *_: Any, **__: Any) -> dict[str, str]:
        """Have a command."""
        return {"Id": "1"}

    def exec_start(self, *_: Any, **__: Any) -> socket.socket:
        """Give the connection away."""
        return self._theirs

    def exec_inspect(self, _: str) -> dict[str, Any]:
        """Say what became of it."""
        return {"Running": False, "ExitCode": 0}


def reset(engine: socket.socket) -> None:
    """Break a connection off, as a machine does that was started anew."""
    engine.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.fixture
def ends() -> Iterator[tuple[JoinedSession, socket.socket]]:
    """Return a session, and the engine's end of its connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        engine, _ = server.accept()
    client = cast("docker.APIClient", OneExec(ours))
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
