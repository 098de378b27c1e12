"""The witness of a service that is called by gRPC: over one connection in HTTP/2, with TLS or without."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

import pytest
from h2.errors import ErrorCodes

from orchestrator.evidence.secure import SecureDoor
from orchestrator.grpc import CHECK
from orchestrator.stack.calls import WitnessCall
from tests.contract.test_witness_http2 import listening
from tests.fakes.http2 import Asked, Http2Server
from tests.fakes.observer import observing_server
from tests.fakes.server import running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from orchestrator.evidence.samples import Figures
    from tests.fakes.observer import Observer

SERVING = b"\0\0\0\0\x02\x08\x01"
CALL = WitnessCall(path=CHECK, host="shop.example", service="a.B")
ENOUGH = 4  # answers


def obey(asked: Asked) -> bool:
    """Answer what is whole."""
    return asked.tell("0", message=SERVING) if asked.whole else True


def once_after(act: Callable[[Asked], bool]) -> Callable[[Asked], bool]:
    """Return a server that answers, and does something else once."""
    turn = count()

    def behave(asked: Asked) -> bool:
        if not asked.whole:
            return True
        return act(asked) if next(turn) == ENOUGH else obey(asked)

    return behave


@contextmanager
def observing(behave: Callable[[Asked], bool], *calls: WitnessCall) -> Iterator[Observer]:
    """Let a witness call a server without TLS until the end of the block."""
    server = Http2Server(None, behave)
    with running(server), observing_server(server, requests=calls or [CALL]) as seen:
        yield seen


def see(behave: Callable[[Asked], bool], *calls: WitnessCall) -> tuple[Observer, Figures]:
    """Let a witness look until it has seen what goes wrong, and as many good answers after it."""
    with observing(behave, *calls) as seen:
        seen.await_said(lambda: len(seen.samples) >= 3 * ENOUGH)
        return seen, seen.witness.stop()


def check_calls(seen: Observer, figures: Figures, scheme: bytes) -> None:
    """All calls have shared one connection, and were those of gRPC; none was lost."""
    assert isinstance(seen.server, Http2Server)
    assert len(seen.server.lines) == 1
    assert seen.server.requests == []  # by HTTP/1.1
    assert (figures.lost, figures.refused, figures.failure) == (0, 0, None)
    assert figures.ok == figures.sent >= 3 * ENOUGH
    assert {sample.request for sample in seen.samples} == {f"gRPC shop.example{CHECK}"}
    assert {sample.status for sample in seen.samples} == {0}
    assert {sample.client for sample in seen.samples} == {"http2", "slow"}
    assert figures.versions == {"v1": figures.sent}
    (head,) = {tuple(asked.headers.items()) for asked in seen.server.asked}
    told = dict(head)
    assert told[b":method"] + b" " + told[b":path"] == f"POST {CHECK}".encode()
    assert (told[b":scheme"], told[b":authority"]) == (scheme, b"shop.example")
    assert (told[b"content-type"], told[b"te"]) == (b"application/grpc", b"trailers")
    assert told[b"x-stackctl-witness"] == b"1"
    assert {asked.body for asked in seen.server.asked if asked.whole} == {
        b"\0\0\0\0\x05\x0a\x03a.B"
    }


def test_all_calls_share_one_connection_without_tls() -> None:
    """It begins with HTTP/2, and one call is half-sent beside the others."""
    seen, figures = see(obey)
    check_calls(seen, figures, b"http")


def test_all_calls_share_one_connection_with_tls(tmp_path: Path) -> None:
    """Where the host is served so."""
    with (
        listening(tmp_path, obey) as (server, door),
        observing_server(server, requests=[CALL], secure=door) as seen,
    ):
        seen.await_said(lambda: len(seen.samples) >= 3 * ENOUGH)
        check_calls(seen, seen.witness.stop(), b"https")


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda asked: asked.tell("14"), "status 14, expected 0"),
        (lambda asked: asked.tell("14", message=b""), "status 14, expected 0"),
        (lambda asked: asked.tell("12"), "status 12, expected 0"),
        (lambda asked: asked.tell("", message=SERVING), "status 2, expected 0"),
        (lambda asked: asked.answer(status="502"), "status 502, expected 0"),
        (lambda asked: asked.reset(ErrorCodes.CANCEL), "stream closed: CANCEL"),
    ],
    ids=["14", "14 behind a body", "12 where it was 0", "no status", "HTTP 502", "reset"],
)
def test_a_call_that_was_accepted_and_not_answered_well_is_lost(
    act: Callable[[Asked], bool], reason: str
) -> None:
    """That one alone: the connection stays."""
    seen, figures = see(once_after(act))
    assert isinstance(seen.server, Http2Server)
    assert [sample.lost for sample in seen.lost] == [reason]
    assert (figures.lost, figures.refused, len(seen.server.lines)) == (1, 0, 1)


def test_a_refused_call_is_counted_apart() -> None:
    """REFUSED_STREAM says that nobody has looked at it."""
    _, figures = see(once_after(lambda asked: asked.reset(ErrorCodes.REFUSED_STREAM)))
    assert (figures.lost, figures.refused) == (0, 1)


def test_what_an_app_says_to_a_method_that_it_does_not_have_is_its_answer() -> None:
    """The status of its first answer is right from then on; another one is not."""
    call = WitnessCall(path="/shop.Orders/StackctlWitness")
    turn = count()

    def behave(asked: Asked) -> bool:
        if not asked.whole:
            return True
        return asked.tell("14" if next(turn) == ENOUGH else "12")

    seen, figures = see(behave, call)
    assert [sample.lost for sample in seen.lost] == ["status 14, expected 0 or 12"]
    assert figures.ok == figures.sent - 1
    assert [note.text for note in seen.noted("usual")] == ["12"]
    assert isinstance(seen.server, Http2Server)
    assert {asked.body for asked in seen.server.asked if asked.whole} == {b"\0\0\0\0\0"}


@pytest.mark.parametrize("code", ["1", "2", "4", "8", "13", "14", "15", "99"])
def test_a_fault_is_never_the_answer_of_an_app(code: str) -> None:
    """Though it were the first."""
    _, figures = see(lambda asked: asked.tell(code) if asked.whole else True)
    assert (figures.lost, figures.ok) == (figures.sent, 0)


def test_an_answer_of_the_old_version_is_stale() -> None:
    """Once the promised one has answered."""
    moved = threading.Event()

    def behave(asked: Asked) -> bool:
        if not asked.whole:
            return True
        new = moved.is_set() and len(seen.samples) != 2 * ENOUGH
        return asked.tell("0", served="web_green/v2" if new else "web_blue/v1", message=SERVING)

    with observing(behave) as seen:
        seen.await_said(lambda: len(seen.samples) >= ENOUGH)
        seen.witness.promise("v2")
        moved.set()
        seen.await_said(lambda: any(sample.stale for sample in seen.samples))


def test_one_who_has_no_http2_leaves_the_witness_without_a_word(tmp_path: Path) -> None:
    """As a proxy in front may: then nobody knows whether a call was lost."""
    with (
        listening(tmp_path, obey, speaks=False) as (server, door),
        observing_server(server, requests=[CALL], secure=SecureDoor(*door)) as seen,
    ):
        figures = seen.witness.stop()
    assert (figures.sent, figures.lost) == (0, 0)
    assert figures.failure == "who serves TLS at the public door has no HTTP/2, which gRPC needs"
