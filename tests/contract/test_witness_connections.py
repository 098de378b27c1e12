"""Connections that stay: kept ones prove at the end that nobody closed them; closes are noted."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from websockets.asyncio.server import ServerConnection, serve

from orchestrator.evidence.patience import KEPT_CLIENTS, OVERDUE
from orchestrator.evidence.way import Way
from orchestrator.evidence.websocket import WebSocket
from orchestrator.evidence.wire import Connection
from orchestrator.evidence.witness import STRANGER, Witness
from orchestrator.stack.model import WitnessRequest
from orchestrator.stack.quantities import Address
from tests.fakes.observer import PATIENCE, observing
from tests.fakes.server import BAD_GATEWAY, CLOSING, GOOD, Request, serving
from tests.fakes.websocket import CLOSE, PING, PONG, TEXT, Frame, Peer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.fakes.observer import Observer

ASKED_AGAIN = 1.2  # seconds, with the answer
KEEPALIVE = 60.0  # seconds that the gateway announces
LIVE = "/notes/live"
SOCKET = WitnessRequest(path=LIVE)
NEW = GOOD.replace(b"web_blue/v1", b"web_green/v2")


def all_kept(seen: Observer) -> bool:
    """Whether each kept connection was answered for the first time."""
    first = [s for s in seen.samples if s.client == "keepalive" and not s.idle]
    return len(first) >= KEPT_CLIENTS


def test_every_kept_connection_sends_a_last_request() -> None:
    """Those that would idle for a minute too: nobody waits for a gap to end."""
    with observing(lambda request: request.answer(GOOD)) as seen:
        seen.await_said(lambda: all_kept(seen))
        figures = seen.witness.stop()
    assert figures.lost == 0
    assert figures.closes == {"kept": 0, "websockets": 0, "first": []}
    posts = [request for request in seen.server.requests if request.method == "POST"]
    sent = Counter(id(request.connection) for request in posts)
    assert sum(number > 1 for number in sent.values()) == KEPT_CLIENTS


def test_a_gateway_that_is_silent_at_the_end_is_not_waited_for() -> None:
    """Each last request without an answer is lost, and the witness comes to its end."""
    silent, over = threading.Event(), threading.Event()

    def behave(request: Request) -> bool:
        if silent.is_set():
            over.wait(PATIENCE)
            return False
        return request.answer(GOOD)

    with observing(behave) as seen:
        seen.await_said(lambda: all_kept(seen))
        silent.set()
        figures = seen.witness.stop()
        over.set()
    assert figures.failure is None
    assert "keepalive" in {sample.client for sample in seen.lost}
    assert all(sample.lost == "no answer in time" for sample in seen.lost)


def test_a_last_answer_may_take_as_long_as_a_connection_is_asked_for_twice() -> None:
    """A full queue of a listener drops what asks first, and Linux asks again after a second."""
    last, never = threading.Event(), threading.Event()

    def behave(request: Request) -> bool:
        if last.is_set():
            never.wait(ASKED_AGAIN)
        return request.answer(GOOD)

    with observing(behave) as seen:
        seen.await_said(lambda: all_kept(seen))
        last.set()
        figures = seen.witness.stop()
    assert (figures.lost, figures.failure) == (0, None)


def test_kept_connections_that_break_at_the_end_are_told() -> None:
    """Each last request is lost, and the close of its connection is noted."""
    gone = threading.Event()
    broken: list[Request] = []

    def behave(request: Request) -> bool:
        if not gone.is_set():
            return request.answer(GOOD)
        broken.append(request)
        return request.reset()

    with observing(behave) as seen:
        seen.await_said(lambda: all_kept(seen))
        gone.set()
        figures = seen.witness.stop()
    assert figures.lost == len(broken)
    lost = [sample for sample in seen.lost if sample.client == "keepalive"]
    closes = seen.noted("closed", "keepalive")
    assert figures.closes["kept"] == len(closes) == len(lost) > 0
    assert {note.text for note in closes} == {"during a request"}


def test_a_close_while_idle_is_noted_when_it_happens() -> None:
    """Not only once the gap is over, which for some is a minute."""
    with observing(lambda request: request.answer_and_close(GOOD)) as seen:
        seen.await_said(lambda: len(seen.noted("closed", "keepalive")) >= KEPT_CLIENTS)
        figures = seen.witness.stop()
    closes = seen.noted("closed", "keepalive")
    assert figures.closed_early == figures.closes["kept"] == len(closes)
    assert {(note.request, note.text) for note in closes} == {
        ("POST /notes/search", "while idle, before its time")
    }
    assert all(0 <= note.idle < 60 for note in closes)


def test_a_connection_older_than_announced_is_not_used() -> None:
    """Where the witness woke up late: the gateway may be closing it just now, and that is no loss."""
    with serving(lambda request: request.answer(GOOD)) as server:
        witness = Witness(server.address, [WitnessRequest(path="/")], KEEPALIVE, lambda _: None)

        async def idle(seconds: float) -> tuple[bool, bool]:
            connection = await Connection.open(server.address)
            connection.quiet_since -= seconds
            kept = await witness._idle(connection, witness._errands[0], 0.0)
            told = kept is connection, connection.closed
            connection.close()
            return told

        assert asyncio.run(idle(0.0)) == (True, False)
        assert asyncio.run(idle(KEEPALIVE + OVERDUE)) == (False, True)


def test_an_announced_close_is_noted_as_such() -> None:
    """It was told with the answer: no request can be lost by it."""
    with observing(lambda request: request.answer_and_close(CLOSING)) as seen:
        seen.await_said(lambda: len(seen.noted("closed", "keepalive")) >= KEPT_CLIENTS)
        figures = seen.witness.stop()
    assert (figures.lost, figures.closed_early) == (0, 0)
    assert {note.text for note in seen.noted("closed")} == {"as it was announced"}


def chatting(
    talk: Callable[[Peer], object],
) -> tuple[Callable[[Request], bool], list[object]]:
    """Return a server that talks over WebSockets, and the list of what its talks came to."""
    said: list[object] = []

    def behave(request: Request) -> bool:
        if request.path != LIVE:
            return request.answer(GOOD)
        said.append(talk(Peer(request)))
        return False

    return behave, said


def test_a_websocket_that_is_closed_is_noted() -> None:
    """It answers pings, overhears what else is said, and tells code and reason; nothing is lost."""

    def talk(peer: Peer) -> Frame:
        for size in (1, 126, 70_000):
            peer.send(TEXT, b"x" * size)
        peer.send(PING, b"there?")
        answer = peer.receive()
        peer.send(CLOSE, b"\x03\xf4going away")
        return answer

    behave, said = chatting(talk)
    with observing(behave, websockets=[SOCKET]) as seen:
        seen.await_said(lambda: bool(seen.noted("closed", "websocket")))
        figures = seen.witness.stop()
    assert said == [Frame(PONG, b"there?", masked=True)]
    (websocket,) = figures.websockets
    assert (websocket["end"], websocket["text"]) == ("closed", "closed with code 1012 going away")
    assert [note.text for note in seen.noted("opened")] == ["web_blue/v1"]
    assert (figures.lost, figures.closes["websockets"]) == (0, 1)


def test_a_websocket_that_is_cut_is_noted() -> None:
    """A server that ends says nothing."""
    behave, _ = chatting(lambda peer: peer.send(TEXT, b"hello"))
    with observing(behave, websockets=[SOCKET]) as seen:
        seen.await_said(lambda: bool(seen.noted("closed", "websocket")))
        figures = seen.witness.stop()
    assert figures.websockets[0]["text"] == "cut without a goodbye"
    assert figures.lost == 0


@pytest.mark.parametrize(
    ("wire", "text"),
    [
        (BAD_GATEWAY, "status 502, expected 101"),
        (b"HTTP/1.1 101 \r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n", "no WebSocket"),
        (b"220 smtp\r\n\r\n", "connection closed: "),
        (b"", "connection closed without an answer"),
    ],
    ids=["502", "no key", "no HTTP", "nothing"],
)
def test_a_websocket_that_does_not_open_is_noted(wire: bytes, text: str) -> None:
    """With its reason, and without a loss: not every client may open one."""

    def behave(request: Request) -> bool:
        live = request.path == LIVE
        return request.answer_and_close(wire) if live else request.answer(GOOD)

    with observing(behave, websockets=[SOCKET]) as seen:
        seen.await_said(lambda: bool(seen.noted("refused", "websocket")))
        figures = seen.witness.stop()
    (websocket,) = figures.websockets
    assert (websocket["opened"], figures.lost) == (None, 0)
    assert text in str(websocket["text"])


@pytest.mark.parametrize("promised", ["v2", None])
def test_a_websocket_is_left_once_the_switch_is_seen(promised: str | None) -> None:
    """The witness says goodbye to the old version, which nobody has to wait for then."""

    def talk(peer: Peer) -> Frame:
        goodbye = peer.receive()
        peer.send(CLOSE, goodbye.payload)
        return goodbye

    moved = threading.Event()
    live, said = chatting(talk)

    def behave(request: Request) -> bool:
        return request.answer(NEW) if moved.is_set() else live(request)

    with observing(behave, promised=promised, websockets=[SOCKET]) as seen:
        seen.await_said(lambda: bool(seen.noted("opened", "websocket")))
        moved.set()
        seen.await_said(lambda: bool(seen.noted("left", "websocket")))
        figures = seen.witness.stop()
    assert said == [Frame(CLOSE, b"\x03\xe8", masked=True)]
    assert figures.websockets[0]["text"] == "it was still open"
    assert figures.closes["websockets"] == 0


def test_a_goodbye_that_nobody_answers_is_not_waited_for() -> None:
    """The witness ends all the same."""
    over = threading.Event()
    behave, _ = chatting(lambda _: over.wait(PATIENCE))
    with observing(behave, websockets=[SOCKET]) as seen:
        seen.await_said(lambda: bool(seen.noted("opened", "websocket")))
        figures = seen.witness.stop()
        over.set()
    assert figures.websockets[0]["text"] == "nobody answered the goodbye"


def test_a_handshake_that_hangs_is_given_up_with_the_witness() -> None:
    """Whoever neither takes nor refuses it is not waited for."""
    asked, over = threading.Event(), threading.Event()

    def behave(request: Request) -> bool:
        if request.path != LIVE:
            return request.answer(GOOD)
        asked.set()
        over.wait(PATIENCE)
        return False

    with observing(behave, websockets=[SOCKET]) as seen:
        assert asked.wait(PATIENCE)
        figures = seen.witness.stop()
        over.set()
    assert (figures.websockets[0]["text"], figures.failure) == ("no answer", None)


def test_it_is_a_websocket_to_others_too() -> None:
    """The handshake, the pong and the goodbye are those that a library of others expects."""

    async def talk(connection: ServerConnection) -> None:
        await connection.send("hello")
        await (await connection.ping())
        await connection.close(1012, "restart")

    async def meet() -> str:
        async with serve(talk, "127.0.0.1", 0) as server:
            address = Address(*next(iter(server.sockets)).getsockname())
            websocket = await WebSocket.open(Way(address), LIVE, "localhost", STRANGER)
            told = await websocket.end
            websocket.close()
        return told

    assert asyncio.run(meet()) == "closed with code 1012 restart"


def test_a_goodbye_is_understood_by_others() -> None:
    """They answer it, and see that it was meant."""
    codes: list[int | None] = []

    async def talk(connection: ServerConnection) -> None:
        await connection.wait_closed()
        codes.append(connection.close_code)

    async def meet() -> bool:
        async with serve(talk, "127.0.0.1", 0) as server:
            address = Address(*next(iter(server.sockets)).getsockname())
            websocket = await WebSocket.open(Way(address), LIVE, "localhost", STRANGER)
            answered = await websocket.leave()
            websocket.close()
        return answered

    assert asyncio.run(meet())
    assert codes == [1000]
