"""An engine that answers late, over a real connection: it is told meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.engine.connection import Client, translated
from orchestrator.engine.endpoint import Endpoint
from orchestrator.engine.identity import identify
from orchestrator.engine.silence import FIRST, Silence
from orchestrator.whereabouts import Whereabouts
from tests.fakes.ear import PATIENCE, Ear
from tests.fakes.server import Request, serving

if TYPE_CHECKING:
    from collections.abc import Callable

VERSION = b'{"ApiVersion": "1.41", "Version": "20.10"}'
FORBIDDEN = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(VERSION), VERSION)


def ask(ear: Ear, act: Callable[[Client], object]) -> None:
    """Ask an engine that answers its version at once, and all else once that was missed."""

    def behave(request: Request) -> bool:
        return ("version" in request.path or ear.enough.wait(PATIENCE)) and request.answer(ANSWER)

    with serving(behave) as server:
        host, port = server.address
        client = Client(Endpoint(f"tcp://{host}:{port}"), 60)
        client.silence = Silence(ear.hear, ear.wait)
        act(client)
        client.close()


def test_a_call_of_the_engine_is_watched() -> None:
    """By the words that an error of it would have."""

    def look(client: Client) -> object:
        with translated("looking at `x`"):
            return client.inspect_container("x")

    ear = Ear(waits=2)
    ask(ear, look)
    assert ear.told[0] == ("looking at `x`", FIRST, False)


def test_an_engine_that_keeps_its_name_to_itself_is_told_by_its_address() -> None:
    """A proxy before it may forbid the question; no command fails for that."""

    def behave(request: Request) -> bool:
        return request.answer(ANSWER if "version" in request.path else FORBIDDEN)

    with serving(behave) as server:
        at = f"tcp://{server.address[0]}:{server.address[1]}"
        client = Client(Endpoint(at, named_by="the context `far`"), 60)
        assert identify(client) == Whereabouts(at, "context `far`")
        client.close()


def test_an_engine_that_is_to_wait_itself_is_given_the_time() -> None:
    """A container that may take 20 s to stop is no silence."""
    ear = Ear(waits=1)
    ask(ear, lambda client: client.stop("x", timeout=20))
    assert ear.waited[0] == 20 + FIRST
    assert ear.told[0][1] == 20 + FIRST
