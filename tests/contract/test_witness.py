"""The witness against servers that misbehave: each kind of loss is seen, and nothing is retried."""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import pytest

from orchestrator.evidence.patience import KEPT_CLIENTS, SHORTEST_IDLE, idle_gaps
from orchestrator.evidence.witness import Witness
from orchestrator.stack.model import WitnessRequest
from orchestrator.stack.quantities import Address
from tests.fakes.server import BAD_GATEWAY, CHUNKED, CLOSING, GOOD, Request, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from orchestrator.evidence.samples import Figures, Sample

KEEPALIVE = 0.3  # seconds
PATIENCE = 30.0  # seconds until a test gives up
READ = WitnessRequest(path="/notes/")
WRITE = WitnessRequest(method="POST", path="/notes/search", json={"text": "witness"})


class Seen(NamedTuple):
    """What the witness said, and what the server knows of it."""

    figures: Figures
    samples: list[Sample]
    requests: list[Request]

    @property
    def reasons(self) -> set[str]:
        """Return why requests were lost."""
        return {sample.lost for sample in self.samples if sample.lost}


def observe(
    behave: Callable[[Request], bool],
    enough: Callable[[Sequence[Sample]], bool],
    requests: Sequence[WitnessRequest] = (READ, WRITE),
) -> Seen:
    """Let the witness look at a server until it has seen enough."""
    samples: list[Sample] = []
    seen = threading.Event()

    def note(sample: Sample) -> None:
        samples.append(sample)
        if enough(samples):
            seen.set()

    with serving(behave) as server:
        witness = Witness(server.address, requests, KEEPALIVE, note)
        witness.start()
        satisfied = seen.wait(PATIENCE)
        figures = witness.stop()
    assert satisfied, figures
    assert figures.failure is None
    assert figures.sent == len(samples) == figures.ok + figures.lost
    return Seen(figures, samples, server.requests)


def many(number: int) -> Callable[[Sequence[Sample]], bool]:
    """Have enough after so many requests."""
    return lambda samples: len(samples) >= number


def losing(number: int) -> Callable[[Sequence[Sample]], bool]:
    """Have enough after so many losses."""
    return lambda samples: sum(sample.lost is not None for sample in samples) >= number


def everyone(samples: Sequence[Sample]) -> bool:
    """Have enough once each kind of client was answered, the kept ones more than once."""
    clients = [sample.client for sample in samples]
    return {*clients} == {"keepalive", "fresh", "slow"} and clients.count("keepalive") > 30


def now_and_then(misbehave: Callable[[Request], bool], every: int = 5) -> Callable[[Request], bool]:
    """Misbehave at each fifth request, and answer the others."""
    turns = iter(range(1, 1_000_000))
    return lambda request: misbehave(request) if next(turns) % every == 0 else request.answer(GOOD)


def test_a_good_server_loses_nothing() -> None:
    """Reads come over fresh connections, writes over kept ones and slowly, all marked as ours."""
    said = observe(lambda request: request.answer(GOOD), everyone)
    assert (said.figures.lost, said.figures.closed_early) == (0, 0)
    assert said.figures.versions == {"v1": said.figures.ok}
    assert {(sample.client, sample.request) for sample in said.samples} == {
        ("fresh", "GET /notes/"),
        ("keepalive", "POST /notes/search"),
        ("slow", "POST /notes/search"),
    }
    assert all("X-Stackctl-Witness: 1" in request.head for request in said.requests)
    assert {request.body for request in said.requests if request.method == "POST"} == {
        b'{"text": "witness"}'
    }
    reads = [request for request in said.requests if request.method == "GET"]
    assert len({id(request.connection) for request in reads}) == len(reads)


@pytest.mark.parametrize(
    ("misbehave", "reason"),
    [
        (lambda request: bool(request.answer_and_close(b"")), "closed without an answer"),
        (Request.reset, "connection closed: [Errno 104] Connection reset by peer"),
        (lambda request: request.answer(BAD_GATEWAY), "status 502, expected 200"),
        (lambda request: request.answer_and_close(GOOD[:-1]), "connection closed: "),
        (lambda request: request.answer_and_close(CHUNKED[:-5]), "connection closed: "),
        (lambda request: request.answer_and_close(b"HTTP/1.1 200"), "closed without an answer"),
        (lambda request: request.answer_and_close(b"220 smtp\r\n\r\n"), "connection closed: "),
    ],
    ids=["closed", "reset", "502", "cut short", "last chunk missing", "cut in the head", "no HTTP"],
)
def test_each_kind_of_loss_is_counted(misbehave: Callable[[Request], bool], reason: str) -> None:
    """A request that got no whole and expected answer is lost, once, and told with its reason."""
    said = observe(now_and_then(misbehave), losing(5))
    assert said.figures.lost >= 5
    assert all(reason in told for told in said.reasons), said.reasons
    assert len(said.requests) == said.figures.sent
    assert {loss["lost"] for loss in said.figures.losses} == said.reasons


@pytest.mark.parametrize("usual", [b"302 Found", b"401 Unauthorized", b"404 Not Found"])
def test_what_a_service_has_answered_before_is_no_loss(usual: bytes) -> None:
    """Where stack.yaml expects nothing: the first answer is as right as 200, a third one is not."""
    other = GOOD.replace(b"200 OK", usual)
    answers = iter([other] * 60 + [GOOD] * 60 + [GOOD.replace(b"200 OK", b"403 Forbidden")] * 999)
    said = observe(lambda request: request.answer(next(answers)), losing(1), [READ])
    assert said.reasons == {f"status 403, expected 200 or {usual[:3].decode()}"}
    assert said.figures.ok >= 100


@pytest.mark.parametrize("first", [b"500 Broken", b"503 Away", b"429 Too Many Requests"])
def test_a_fault_is_never_what_a_service_usually_answers(first: bytes) -> None:
    """However often it comes: before a release, and after it."""
    said = observe(
        lambda request: request.answer(GOOD.replace(b"200 OK", first)), losing(30), [READ]
    )
    assert said.figures.ok == 0
    assert said.reasons == {f"status {first[:3].decode()}, expected 200"}


def test_what_the_gateway_says_by_itself_is_not_the_service_s_answer() -> None:
    """Where nobody served, a 404 is no more right afterwards."""
    nobody = GOOD.replace(b"200 OK", b"404 Not Found").replace(b"web_blue/v1", b"none")
    said = observe(lambda request: request.answer(nobody), losing(30), [READ])
    assert said.reasons == {"status 404, expected 200"}


def test_what_is_expected_is_what_was_asked_for() -> None:
    """With `expect` in stack.yaml nothing else is right, whatever came first."""
    wanted = WitnessRequest(path="/notes/", expect=404)
    said = observe(lambda request: request.answer(GOOD), losing(30), [wanted])
    assert said.reasons == {"status 200, expected 404"}


@pytest.mark.parametrize("request_", [READ, WRITE], ids=["GET", "POST"])
def test_nothing_is_retried(request_: WitnessRequest) -> None:
    """A connection that closes over a GET loses that GET, though a browser would ask again."""
    said = observe(lambda request: request.answer_and_close(b""), losing(20), [request_])
    assert said.figures.ok == 0
    assert len(said.requests) == said.figures.lost == said.figures.sent


def test_a_slow_answer_is_waited_for() -> None:
    """An answer that takes its time is no loss."""
    held = threading.Event()

    def hesitate(request: Request) -> bool:
        held.wait(0.2)
        return request.answer(GOOD)

    assert observe(hesitate, many(40)).figures.lost == 0


def test_a_close_while_idle_is_not_a_loss() -> None:
    """It is counted by itself: the client saw it before it sent anything."""
    said = observe(lambda request: request.answer_and_close(GOOD), many(40), [WRITE])
    assert said.figures.lost == 0
    assert said.figures.closed_early > 0
    assert len(said.requests) == said.figures.sent


def test_an_announced_close_is_not_early() -> None:
    """After `Connection: close` the next request takes a new connection."""
    said = observe(lambda request: request.answer_and_close(CLOSING), many(40))
    assert (said.figures.lost, said.figures.closed_early) == (0, 0)


def test_chunked_answers_are_read_to_their_end() -> None:
    """The connection can be used again afterwards."""
    said = observe(lambda request: request.answer(CHUNKED), many(80))
    assert said.figures.lost == 0
    kept = [sample for sample in said.samples if sample.client == "keepalive"]
    assert max(sample.idle for sample in kept) > 0


def test_a_long_head_is_read_to_its_end() -> None:
    """The gateway passes on longer ones than h11 takes by itself."""
    cookie = b"\r\nSet-Cookie: s=" + b"a" * 100_000
    said = observe(
        lambda request: request.answer(GOOD.replace(b"\r\n", cookie + b"\r\n", 1)), many(40)
    )
    assert said.figures.lost == 0


def test_where_nobody_listens_everything_is_lost() -> None:
    """A refused connection is a request that a user could not send."""
    with serving(lambda request: request.answer(GOOD)) as server:
        nowhere = server.address
    lost = threading.Semaphore(0)
    witness = Witness(nowhere, [READ], KEEPALIVE, lambda _: lost.release())
    witness.start()
    assert all(lost.acquire(timeout=PATIENCE) for _ in range(20))
    figures = witness.stop()
    assert figures.sent == figures.lost >= 20
    assert "connection refused" in str(figures.losses[0]["lost"])


def test_every_interface_is_reached_over_loopback() -> None:
    """`0.0.0.0` is where to listen, not whom to ask."""
    answered = threading.Event()
    with serving(lambda request: request.answer(GOOD)) as server:
        everywhere = Address("0.0.0.0", server.address.port)
        witness = Witness(everywhere, [READ], KEEPALIVE, lambda _: answered.set())
        witness.start()
        assert answered.wait(PATIENCE)
        assert witness.stop().lost == 0


def test_a_witness_that_never_started_saw_nothing() -> None:
    """Stopping it is no fault."""
    assert Witness(Address("127.0.0.1", 1), [READ], 15, print).stop().sent == 0


@pytest.mark.parametrize(("keepalive", "longest"), [(5.0, 5.0), (60.0, 60.0), (300.0, 60.0)])
def test_idle_gaps_reach_to_the_keep_alive(keepalive: float, longest: float) -> None:
    """They grow in even proportion to what is announced, or to a minute."""
    gaps = idle_gaps(keepalive)
    assert len(gaps) == KEPT_CLIENTS
    assert (gaps[0], gaps[-1]) == (SHORTEST_IDLE, longest)
    ratios = [later / earlier for earlier, later in pairwise(gaps)]
    assert max(ratios) == pytest.approx(min(ratios))
