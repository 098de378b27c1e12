"""The promise of a switch: once the new version has answered, no later request gets the old one."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest

from orchestrator.evidence.wire import SLOW_PIECES, Connection, to_errand
from orchestrator.evidence.witness import STRANGER
from tests.fakes.observer import PATIENCE, READ, WRITE, observing
from tests.fakes.server import GOOD, Request, serving

VERSIONS = {"web_blue": "v1", "web_green": "v2"}
OLD = GOOD
NEW = GOOD.replace(b"web_blue/v1", b"web_green/v2")
STALE = "answered by v1 after v2 had answered"


class Switch:
    """Answers by the version that it is set to; with `torn` by both in turn."""

    def __init__(self) -> None:
        self.answer = OLD
        self.torn = False
        self._turn = 0

    def __call__(self, request: Request) -> bool:
        """Answer a request."""
        self._turn += 1
        return request.answer((OLD, NEW)[self._turn % 2] if self.torn else self.answer)


def test_a_whole_switch_keeps_its_promise() -> None:
    """The old version until the switch, the new one from then on: nothing is stale."""
    switch = Switch()
    with observing(switch, promised="v2", versions=VERSIONS) as seen:
        seen.await_said(lambda: seen.answers("v1") > 30)
        switch.answer = NEW
        seen.await_said(lambda: seen.answers("v2") > 30)
        figures = seen.witness.stop()
    assert (figures.lost, figures.stale) == (0, 0)
    assert [note.text for note in seen.noted("answered")] == ["v2"]


def test_an_answer_of_the_old_version_after_the_new_one_is_lost() -> None:
    """Whoever comes later must get the new one; each that does not is told with its reason."""
    switch = Switch()
    with observing(switch, promised="v2", versions=VERSIONS) as seen:
        switch.torn = True
        seen.await_said(lambda: len(seen.lost) >= 5)
        figures = seen.witness.stop()
    assert {sample.lost for sample in seen.lost} == {STALE}
    assert figures.stale == figures.lost == len(seen.lost)
    first = min(sample.done for sample in seen.samples if sample.version == "v2")
    assert all(sample.done >= first for sample in seen.lost)


def test_a_request_that_was_sent_before_may_get_the_old_version() -> None:
    """It was decided when its head was there, however late its answer comes."""
    answered = threading.Event()
    first = threading.Lock()

    def behave(request: Request) -> bool:
        if first.acquire(blocking=False):
            answered.wait(PATIENCE)
            return request.answer(OLD)
        return request.answer(NEW)

    with observing(behave, promised="v2", versions=VERSIONS) as seen:
        seen.await_said(lambda: seen.answers("v2") > 30)
        answered.set()
        seen.await_said(lambda: seen.answers("v1") == 1)
        figures = seen.witness.stop()
    assert (figures.lost, figures.stale) == (0, 0)


def test_a_switch_that_is_taken_back_accuses_nobody() -> None:
    """After `withdraw` the old version may answer again, and nobody says that none was stale."""
    switch = Switch()
    switch.answer = NEW
    with observing(switch, promised="v2", versions=VERSIONS) as seen:
        seen.await_said(lambda: seen.answers("v2") > 30)
        seen.witness.withdraw()
        switch.answer = OLD
        seen.await_said(lambda: seen.answers("v1") > 30)
        figures = seen.witness.stop()
    assert (figures.lost, figures.stale) == (0, None)
    assert [note.note for note in seen.notes] == ["promised", "answered", "withdrawn"]


def test_a_share_accuses_nobody_until_all_users_are_promised() -> None:
    """Between 0 and 100 both answer; once all shall get the new version, only that may."""
    switch = Switch()
    switch.torn = True
    with observing(switch, versions=VERSIONS) as seen:
        seen.await_said(lambda: min(seen.answers("v1"), seen.answers("v2")) > 15)
        assert seen.lost == []
        switch.answer, switch.torn = NEW, False
        seen.witness.promise("v2")
        seen.await_said(lambda: bool(seen.noted("answered")))
        assert seen.lost == []
        switch.torn = True
        seen.await_said(lambda: len(seen.lost) >= 5)
        figures = seen.witness.stop()
    assert figures.stale == figures.lost == len(seen.lost)


@pytest.mark.parametrize(
    ("served", "version"), [(b"web_green", "v2"), (b"web_green/v9", "v9"), (b"web_red", "web_red")]
)
def test_the_version_is_known_by_the_upstream(served: bytes, version: str) -> None:
    """Where the gateway says the version itself, that counts; an unknown upstream stays its name."""
    answer = GOOD.replace(b"web_blue/v1", served)
    with observing(lambda request: request.answer(answer), versions=VERSIONS) as seen:
        seen.await_said(lambda: seen.answers(version) > 0)
        figures = seen.witness.stop()
    assert figures.versions == {version: figures.ok}


def test_answers_of_another_service_are_not_judged() -> None:
    """A witness's request may belong to another service, which has versions of its own."""
    other = GOOD.replace(b"web_blue/v1", b"auth_blue/v1")

    def behave(request: Request) -> bool:
        return request.answer(NEW if request.method == "GET" else other)

    with observing(behave, promised="v2", versions=VERSIONS) as seen:
        seen.await_said(lambda: seen.answers("v2") > 3 and seen.answers("v1") > 30)
        figures = seen.witness.stop()
    assert (figures.lost, figures.stale) == (0, 0)


def test_half_sent_requests_do_not_hold_a_drain_up() -> None:
    """Asked to let go, the witness sends the rest of what it has begun: 30 would take a minute."""
    with observing(lambda request: request.answer(GOOD)) as seen:

        def many() -> bool:
            seen.witness.let_go()
            return sum(sample.client == "slow" for sample in seen.samples) >= 30

        seen.await_said(many)
        slow = [sample for sample in seen.samples if sample.client == "slow"]
    assert {sample.lost for sample in slow} == {None}


@pytest.mark.parametrize(("request_", "after"), [(READ, True), (WRITE, False)], ids=["GET", "POST"])
def test_a_request_is_decided_once_its_head_is_whole(request_: object, after: bool) -> None:  # noqa: FBT001
    """A half-sent POST lacks the end of its body, a half-sent GET that of its head."""
    pauses: list[float] = []

    async def pause() -> None:
        pauses.append(time.monotonic())

    with serving(lambda request: request.answer(GOOD)) as server:

        async def ask() -> float:
            connection = await Connection.open(server.address)
            errand = to_errand(request_, "localhost", STRANGER)  # type: ignore[arg-type]
            assert (await connection.ask(errand, pause))[0] == 200
            connection.close()
            return connection.decided

        decided = asyncio.run(ask())
    assert len(pauses) == SLOW_PIECES
    assert (decided >= pauses[-1]) is after
    assert (decided <= pauses[0]) is not after


def test_nothing_is_learned_of_the_new_version() -> None:
    """Where the one of before had only faults, what the new one answers first is not right for that."""
    switch = Switch()
    switch.answer = OLD.replace(b"200 OK", b"503 Away")
    with observing(switch, promised="v2", versions=VERSIONS) as seen:
        seen.await_said(lambda: len(seen.lost) > 30)
        switch.answer = NEW.replace(b"200 OK", b"404 Gone")
        seen.await_said(lambda: any("404" in str(sample.lost) for sample in seen.lost))
        figures = seen.witness.stop()
    assert figures.ok == 0
    assert {"status 503, expected 200", "status 404, expected 200"} <= {s.lost for s in seen.lost}
