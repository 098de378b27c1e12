"""The witness by HTTP/2: what was accepted must be answered, what was refused is counted apart."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

import pytest
from h2.errors import ErrorCodes

from orchestrator.certificates.pair import Source, read_pair
from orchestrator.certificates.table import CertificateTable
from orchestrator.evidence.secure import SecureDoor
from orchestrator.evidence.streams import Shared, Stream
from orchestrator.evidence.wire import to_errand
from orchestrator.evidence.witness import STRANGER
from orchestrator.stack.model import WitnessRequest
from tests.fakes.authority import NOW, Authority
from tests.fakes.http2 import Asked, Http2Server
from tests.fakes.observer import observing_server
from tests.fakes.server import running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from orchestrator.evidence.samples import Figures, Sample
    from tests.fakes.observer import Observer

HOST = "shop.example"
ISSUED = Authority().issue(HOST)
ENOUGH = 4  # answers


@contextmanager
def listening(
    folder: Path, behave: Callable[[Asked], bool], **how: bool
) -> Iterator[tuple[Http2Server, SecureDoor]]:
    """Serve with TLS, and HTTP/2 unless it does not speak that, until the end of the block."""
    files = ISSUED.write(folder, "served")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / files["certificate"], folder / files["key"])
    pair = read_pair(ISSUED.chain, ISSUED.key_pem, Source("a.pem", "a.key"), NOW)
    server = Http2Server(context, behave, **how)
    with running(server):
        yield server, SecureDoor(server.address, CertificateTable((pair.certificate,)), HOST)


@contextmanager
def observing(folder: Path, behave: Callable[[Asked], bool], **how: bool) -> Iterator[Observer]:
    """Let a witness look at such a server until the end of the block."""
    with (
        listening(folder, behave, **how) as (server, door),
        observing_server(server, secure=door) as seen,
    ):
        yield seen


def by_http2(seen: Observer) -> list[Sample]:
    """Return the requests that came by HTTP/2."""
    return [sample for sample in seen.samples if sample.client == "http2"]


def obey(asked: Asked) -> bool:
    """Answer what is whole."""
    return asked.answer() if asked.whole else True


def once_after(act: Callable[[Asked], bool]) -> Callable[[Asked], bool]:
    """Return a server that answers, and does something else once, with a whole request of a browser."""
    turn = count()

    def behave(asked: Asked) -> bool:
        if not asked.whole:
            return True
        return act(asked) if next(turn) == ENOUGH else asked.answer()

    return behave


def see(folder: Path, behave: Callable[[Asked], bool]) -> tuple[Observer, Figures]:
    """Let a witness look until it has seen what goes wrong, and as many good answers after it."""
    with observing(folder, behave) as seen:
        seen.await_said(lambda: len(by_http2(seen)) >= 3 * ENOUGH)
        return seen, seen.witness.stop()


def test_all_requests_by_http2_share_one_connection(tmp_path: Path) -> None:
    """Reads and writes, one of these half-sent, beside the others, which come as they did."""
    seen, figures = see(tmp_path, obey)
    assert isinstance(seen.server, Http2Server)
    assert len(seen.server.lines) == 1
    assert (figures.lost, figures.refused, figures.http2) == (0, 0, len(by_http2(seen)))
    assert figures.closes == {"kept": 0, "websockets": 0, "first": []}
    assert {sample.request for sample in by_http2(seen)} == {"GET /notes/", "POST /notes/search"}
    assert {"keepalive", "fresh", "slow"} < {sample.client for sample in seen.samples}
    assert {asked.body for asked in seen.server.asked if asked.whole} == {
        b"",
        b'{"text": "witness"}',
    }
    assert {asked.headers[b":authority"] for asked in seen.server.asked} == {HOST.encode()}
    assert all(asked.headers[b"x-stackctl-witness"] == b"1" for asked in seen.server.asked)


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda asked: asked.reset(ErrorCodes.CANCEL), "stream closed: CANCEL"),
        (lambda asked: asked.reset(ErrorCodes.NO_ERROR), "stream closed: NO_ERROR"),
        (
            lambda asked: asked.begin() and asked.reset(ErrorCodes.INTERNAL_ERROR),
            "stream closed: INTERNAL_ERROR",
        ),
        (lambda asked: asked.answer(status="502"), "status 502, expected 200"),
    ],
    ids=["reset after it was accepted", "reset without an error", "cut after the head", "502"],
)
def test_a_stream_that_was_accepted_and_not_answered_is_lost(
    tmp_path: Path, act: Callable[[Asked], bool], reason: str
) -> None:
    """That one alone: the connection stays."""
    seen, figures = see(tmp_path, once_after(act))
    assert isinstance(seen.server, Http2Server)
    assert [sample.lost for sample in seen.lost] == [reason]
    assert (figures.lost, figures.refused, len(seen.server.lines)) == (1, 0, 1)
    assert figures.closes["kept"] == 0


def test_a_refused_stream_is_counted_apart(tmp_path: Path) -> None:
    """REFUSED_STREAM says that nobody has looked at it."""
    seen, figures = see(tmp_path, once_after(lambda a: a.reset(ErrorCodes.REFUSED_STREAM)))
    assert [sample.lost for sample in seen.samples if sample.refused] == ["refused: REFUSED_STREAM"]
    assert (figures.lost, figures.refused, figures.failure) == (0, 1, None)
    assert figures.sent == figures.ok + 1


@pytest.mark.parametrize("above", [False, True], ids=["the last stream", "one above the last"])
def test_goaway_says_which_streams_are_looked_at(tmp_path: Path, above: bool) -> None:  # noqa: FBT001
    """One above the last is refused, another one that is not answered by the end is lost."""

    def leave(asked: Asked) -> bool:
        asked.say_goodbye(asked.number - 2 * above)
        return asked.hang_up()

    seen, figures = see(tmp_path, once_after(leave))
    assert isinstance(seen.server, Http2Server)
    gone = [sample for sample in by_http2(seen) if sample.lost]
    assert above in {sample.refused for sample in gone}
    if not above:
        assert "connection closed without an answer" in {sample.lost for sample in gone}
    assert figures.refused == sum(sample.refused for sample in seen.samples)
    assert figures.lost + figures.refused == len(seen.lost) == figures.sent - figures.ok
    assert len(seen.server.lines) == 2
    assert [note.text for note in seen.noted("closed", "http2")] == ["by GOAWAY"]
    assert figures.closes["kept"] == 1


def test_what_was_accepted_is_answered_after_a_goaway(tmp_path: Path) -> None:
    """Then nothing is lost; that the connection ended is told."""

    def leave(asked: Asked) -> bool:
        asked.say_goodbye(2**31 - 1)
        asked.answer()
        asked.line.flush()
        return asked.say_goodbye(asked.number)

    seen, figures = see(tmp_path, once_after(leave))
    assert (figures.lost, figures.refused, figures.closes["kept"]) == (0, 0, 1)
    assert [note.text for note in seen.noted("closed", "http2")] == ["by GOAWAY"]


def test_a_connection_that_dies_loses_what_was_under_way(tmp_path: Path) -> None:
    """Without a GOAWAY nobody may send it again."""
    seen, figures = see(tmp_path, once_after(Asked.hang_up))
    assert figures.lost >= 1
    assert {sample.lost for sample in seen.lost} == {"connection closed without an answer"}
    assert [note.text for note in seen.noted("closed", "http2")] == ["without a word"]
    assert (figures.refused, figures.closes["kept"]) == (0, 1)


def test_what_breaks_http2_is_told_in_its_words(tmp_path: Path) -> None:
    """The requests under way are lost."""

    def break_it(asked: Asked) -> bool:
        asked.line.flush()
        asked.line.write(b"\xff\xff\xff" + bytes(6))
        return True

    seen, figures = see(tmp_path, once_after(break_it))
    assert figures.lost >= 1
    assert {s.lost for s in seen.lost} == {"connection closed: a frame of 16777215 bytes"}


def test_an_answer_of_the_old_version_is_stale_by_http2_too(tmp_path: Path) -> None:
    """Once the promised one has answered by the same connection."""
    moved = threading.Event()

    def behave(asked: Asked) -> bool:
        if not asked.whole:
            return True
        number = len(by_http2(seen))
        new = moved.is_set() and number != 2 * ENOUGH
        return asked.answer(served="web_green/v2" if new else "web_blue/v1")

    with observing(tmp_path, behave) as seen:
        seen.await_said(lambda: len(by_http2(seen)) >= ENOUGH)
        seen.witness.promise("v2")
        moved.set()
        seen.await_said(lambda: any(s.stale and s.client == "http2" for s in seen.samples))


def test_a_gateway_without_http2_is_asked_as_ever(tmp_path: Path) -> None:
    """Then the evidence says of HTTP/2 nothing."""
    with observing(tmp_path, obey, speaks=False) as seen:
        seen.await_said(lambda: len(seen.samples) > 10 * ENOUGH)
        figures = seen.witness.stop()
    assert (figures.http2, figures.lost, figures.failure) == (0, 0, None)
    assert by_http2(seen) == []


def test_a_body_waits_for_room(tmp_path: Path) -> None:
    """One that is larger than what the gateway takes at once comes whole."""
    text = "x" * 200_000
    request = WitnessRequest(method="POST", path="/", json={"text": text})

    async def ask(door: SecureDoor) -> tuple[int, str]:
        shared = await Shared.open(door, HOST)
        answer = await Stream(shared).ask(to_errand(request, HOST, STRANGER))
        shared.close()
        return answer

    with listening(tmp_path, obey) as (server, door):
        assert asyncio.run(ask(door)) == (200, "web_blue/v1")
    assert json.loads(server.asked[0].body) == {"text": text}
