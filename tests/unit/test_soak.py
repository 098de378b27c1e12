"""The soak's own judgement: what counts as lost, and what as the same at the end."""

from __future__ import annotations

import os
import signal
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from websockets.sync.server import ServerConnection, serve

from orchestrator.clock import SystemClock, poll
from orchestrator.evidence.samples import Sample
from orchestrator.stack.quantities import Address
from tests.e2e.load import Load
from tests.fakes.server import BAD_GATEWAY, GOOD, Request, serving
from tests.soak import command, host, report
from tests.soak.clients import K6, Crowd, Patrons, count_load, read_rate
from tests.soak.command import Ran
from tests.soak.journey import Journey, Release, plan, read_release, sum_up
from tests.soak.tally import Cut, Tally, count_samples, judge_cuts
from tests.soak.verdict import CLI_MEMORY, EQUAL, LIMITS, Limit, compare, ends, measure_commands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PATIENCE = 30.0  # seconds until a test gives up
OFTEN = 0.01  # seconds between two echoes
DRAIN = 8.0
MACHINE = {"machine": "2 CPUs, 4.0 GiB"}


def stay(address: Address, enough: Callable[[Patrons], bool]) -> Patrons:
    """Let the patrons come until enough was seen of them."""
    patrons = Patrons(address, OFTEN)
    patrons.start()
    try:
        seen = poll(
            lambda: enough(patrons) or None, clock=SystemClock(), every=OFTEN, within=PATIENCE
        )
    finally:
        patrons.stop()
    assert seen, patrons.echoes
    assert patrons.failure is None
    return patrons


@contextmanager
def chatting(behave: Callable[[ServerConnection], None]) -> Iterator[Address]:
    """Serve WebSockets on a free port until the end of the block."""
    with serve(behave, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield Address(*server.socket.getsockname())
        server.shutdown()
        thread.join()


def echo(connection: ServerConnection) -> None:
    """Send everything back."""
    for text in connection:
        connection.send(text)


def echo_once(connection: ServerConnection) -> None:
    """Answer one echo and hang up."""
    connection.send(connection.recv())
    connection.close_socket()


def hang_up(connection: ServerConnection) -> None:
    """Read what is asked for, and hang up without an answer."""
    connection.recv()
    connection.close_socket()


def a_run(**changes: float) -> Ran:
    """Return a command that ended well."""
    figures = {"code": 0, "seconds": 9.0, "memory": 64.0, "files": 50, "left": 0, **changes}
    return Ran(stdout="", stderr="", **figures)  # type: ignore[arg-type]


def a_release(verb: str = "deploy", lost: int = 0) -> Release:
    """Return a release that went through."""
    losses = ["keepalive POST /: connection closed"] * lost
    return Release(verb, "v2", "deployed", 200, lost, losses, a_run())


def a_journey(**changes: object) -> Journey:
    """Return a journey of two deploys and a rollback that held."""
    journey = Journey(2, 1, seconds=61.0, left=0)
    journey.crowd = Crowd({K6: Tally(18_300), "WebSocket echoes": Tally(90, 0, 6)})
    journey.releases = [a_release(), a_release(), a_release("rollback")]
    journey.start = dict.fromkeys(LIMITS, 10.0)
    journey.end = dict.fromkeys(LIMITS, 10.0)
    journey.versions = {"NGINX": "1.30.6"}
    for name, value in changes.items():
        setattr(journey, name, value)
    return journey


def test_a_websocket_cut_by_a_drain_is_not_lost() -> None:
    """It lived through a switch and was closed when the outgoing color's time was over."""
    tally = Tally(sent=20)

    judge_cuts(tally, [Cut(10, 28.1, waiting=False), Cut(10, 28.1, waiting=True)], [20.0], DRAIN)

    assert (tally.closed, tally.lost) == (2, 0)


@pytest.mark.parametrize("waiting", [True, False])
def test_a_websocket_cut_before_the_drain_is_over_is_lost(waiting: bool) -> None:  # noqa: FBT001
    """Until then it must be left alone, whether or not an echo was asked for."""
    tally = Tally(sent=20)

    judge_cuts(tally, [Cut(10, 27.9, waiting)], [20.0], DRAIN)

    assert (tally.closed, tally.lost) == (0, 1)
    assert tally.losses[0].startswith("a WebSocket cut 17.9 s after it opened, ")


def test_a_switch_before_a_websocket_was_opened_excuses_nothing() -> None:
    """The color that took it was not on its way out by that."""
    tally = Tally()

    judge_cuts(tally, [Cut(30, 40, waiting=False)], [5.0, 20.0], DRAIN)

    assert tally.lost == 1


def test_a_websocket_may_be_opened_while_the_link_moves() -> None:
    """It is closed by the drain of that switch."""
    tally = Tally()

    judge_cuts(tally, [Cut(20.1, 28.2, waiting=False)], [20.0], DRAIN)

    assert (tally.closed, tally.lost) == (1, 0)


def test_samples_are_counted_by_kind_of_client() -> None:
    """A lost one is told with its request and its idle time."""
    good = Sample(0, "keepalive", "POST /", 0.5, 1.0, 200, "app_blue/v1", None)
    bad = Sample(0, "fresh", "GET /", 0.0, 1.0, 502, "", "status 502, expected 200")

    tallies = count_samples([good, good, bad])

    assert tallies["kept POSTs"] == Tally(sent=2)
    assert tallies["fresh GETs"] == Tally(1, 1, 0, ["GET /, 0 s idle: status 502, expected 200"])


def test_what_k6_lost_is_told_in_its_own_words() -> None:
    """Of its log only those lines are shown."""
    failed = 'msg="Request Failed" error="Post: EOF"'

    assert count_load(Load(300, 1), f"{failed}\naborted\n") == Tally(300, 1, 0, [failed])
    assert count_load(Load(300, 0), "aborted\n") == Tally(300)


def test_the_rate_is_the_one_that_k6_reached() -> None:
    """Where the machine was too slow it is less than what was asked for."""
    assert read_rate('{"metrics": {"http_reqs": {"values": {"rate": 299.5}}}}') == 299.5


def test_slow_requests_are_answered_or_lost() -> None:
    """Good answers are counted, and each request is sent once."""
    with serving(lambda request: request.answer(GOOD)) as server:
        patrons = stay(server.address, lambda patrons: patrons.slow.sent > 20)
        slow = [request for request in server.requests if "seconds=" in request.path]

    assert patrons.slow == Tally(sent=len(slow))


@pytest.mark.parametrize(
    "behave", [Request.reset, lambda request: request.answer_and_close(BAD_GATEWAY)]
)
def test_a_slow_request_without_its_answer_is_lost(behave: Callable[[Request], bool]) -> None:
    """Neither a cut connection nor another status is tried again."""
    with serving(behave) as server:
        patrons = stay(server.address, lambda patrons: patrons.slow.lost > 4)
        slow = [request for request in server.requests if "seconds=" in request.path]

    assert patrons.slow.sent == patrons.slow.lost == len(slow)


def test_a_refused_websocket_is_lost() -> None:
    """Any answer to the handshake but 101 is not the expected one."""
    with serving(lambda request: request.answer_and_close(BAD_GATEWAY)) as server:
        patrons = stay(server.address, lambda patrons: patrons.echoes.lost > 4)

    assert patrons.echoes.sent == patrons.echoes.lost
    assert patrons.cuts == []


def test_echoes_that_come_are_counted() -> None:
    """A WebSocket that is left alone is never cut, and its end by the client is no loss."""
    with chatting(echo) as address:
        patrons = stay(address, lambda patrons: patrons.echoes.sent > 60)

    assert (patrons.echoes.lost, patrons.cuts) == (0, [])


@pytest.mark.parametrize(("behave", "waiting"), [(echo_once, False), (hang_up, True)])
def test_a_cut_is_noted_with_what_was_in_the_air(
    behave: Callable[[ServerConnection], None],
    waiting: bool,  # noqa: FBT001
) -> None:
    """Whether it is a loss is judged later, when the switches are known; it connects anew."""
    with chatting(behave) as address:
        patrons = stay(address, lambda patrons: len(patrons.cuts) > 12)

    assert {cut.waiting for cut in patrons.cuts} == {waiting}
    assert all(cut.opened < cut.closed for cut in patrons.cuts)
    assert patrons.echoes.lost == 0


def test_rollbacks_are_spread_evenly() -> None:
    """The long way has one after every fourth deploy; the versions begin with v2."""
    steps = plan(60, 15)

    assert (len(steps), steps[0], steps[-2]) == (75, ("deploy", "v2"), ("deploy", "v61"))
    assert [number for number, step in enumerate(steps, 1) if step[0] == "rollback"] == [
        5 * times for times in range(1, 16)
    ]


@pytest.mark.parametrize(("deploys", "rollbacks"), [(4, 1), (7, 3), (3, 0), (5, 5)])
def test_no_step_is_missing(deploys: int, rollbacks: int) -> None:
    """Whatever the numbers, there are as many of each as asked for."""
    verbs = [verb for verb, _ in plan(deploys, rollbacks)]

    assert (verbs.count("deploy"), verbs.count("rollback")) == (deploys, rollbacks)


def test_a_release_is_read_from_its_document() -> None:
    """With each loss of its own witness."""
    document = (
        '{"version": "v2", "outcome": "deployed", "witness": {"sent": 9, "lost": 1, "losses":'
        ' [{"client": "fresh", "request": "GET /", "lost": "status 502"}]}}'
    )
    ran = Ran(6, document, "", 9.0, 64.0, 50, 0)

    release = read_release("deploy", ran)

    assert release == Release("deploy", "v2", "deployed", 9, 1, ["fresh GET /: status 502"], ran)
    assert sum_up([release]) == Tally(9, 1, 0, ["deploy v2: fresh GET /: status 502"])


def test_counts_must_be_equal_and_memory_may_grow_a_little() -> None:
    """One thing fewer is as wrong as one more; less memory is never wrong."""
    memory = Limit(0.2, 4)

    assert [EQUAL.allows(5, end) for end in (4, 5, 6)] == [False, True, False]
    assert [memory.allows(10, end) for end in (1, 14, 14.1)] == [True, True, False]
    assert [memory.allows(100, end) for end in (120, 121)] == [True, False]


def test_what_cannot_be_read_is_not_judged() -> None:
    """It is shown as such."""
    rows = compare(dict.fromkeys(LIMITS, None), dict.fromkeys(LIMITS, 1.0))

    assert {row.met for row in rows} == {None}


def test_the_ends_do_not_overlap() -> None:
    """Ten of a long way, half of a short one, and the only one of one."""
    assert [len(part) for part in ends(range(60))] == [10, 10]
    assert ends(range(5)) == (range(2), range(3, 5))
    assert ends(range(1)) == (range(1), range(1))


def test_the_command_s_memory_is_the_median_of_the_ends() -> None:
    """So one odd deploy decides nothing."""
    first, last = measure_commands([a_run(memory=mib) for mib in (60, 61, 90, 70, 71, 72)])

    assert (first[CLI_MEMORY], last[CLI_MEMORY]) == (61, 71)
    assert measure_commands([]) == ({}, {})


def test_a_journey_without_losses_and_growth_has_held() -> None:
    """The verdict is the first line, with how much was sent over how many releases."""
    journey = a_journey()

    assert report.has_held(journey)
    assert report.judge(journey) == (
        "**Held: 18,390 requests sent, 0 lost, over 2 deploys and 1 rollback in 1 min 1 s;"
        " what the stack holds at the end is what it held at the start.**"
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"crowd": Crowd({K6: Tally(300, 1)})}, "300 requests sent, 1 lost"),
        ({"warm_up": Crowd({K6: Tally(300, 2)})}, "2 lost in the warm-up"),
        ({"end": dict.fromkeys(LIMITS, 11.0)}, "not as at the start: open files of the gateway"),
        ({"left": 1}, "not as at the start: processes that outlived"),
        ({"end": {}}, "it did not come to its end"),
        ({"releases": [a_release()]}, "it did not come to its end"),
    ],
)
def test_a_journey_that_has_not_held_says_why(changes: dict[str, object], said: str) -> None:
    """A loss, in the warm-up too, growth, or a way that was not gone to its end."""
    journey = a_journey(**changes)

    assert not report.has_held(journey)
    assert report.judge(journey).startswith("**Not held: ")
    assert said in report.judge(journey)


def test_the_report_shows_clients_figures_times_and_losses() -> None:
    """Each in a row of its own."""
    lossy = Tally(200, 1, 0, ["deploy v2: fresh GET /: status 502"])
    journey = a_journey(crowd=Crowd({K6: Tally(18_300), "witnesses": lossy}, rate=299.5))

    text = report.write(journey, MACHINE)

    assert "| k6, GETs and POSTs | 18,300 | 0 |  |" in text
    assert "sent 299.5 on average" in text
    assert "| containers | 10 | 10 | equal | yes |" in text
    assert "| deploy, first 1 | 9.0 | 9.0 | 9.0 |" in text
    assert "- witnesses: deploy v2: fresh GET /: status 502" in text
    assert "| machine | 2 CPUs, 4.0 GiB |" in text


def test_a_journey_that_never_began_can_be_told() -> None:
    """Whoever interrupts it at once still gets a report."""
    text = report.write(Journey(60, 15), MACHINE)

    assert "**Not held: 0 requests sent, 0 lost, over 0 deploys and 0 rollbacks" in text
    assert "unknown" in text


def test_no_more_losses_are_listed_than_can_be_read() -> None:
    """The rest is a number."""
    tally = Tally(100, 50, 0, ["cut"] * 50)

    text = report.write(a_journey(crowd=Crowd({K6: tally})), MACHINE)

    assert text.count("- k6, GETs and POSTs: cut") == report.MOST_TOLD
    assert "… and 30 more." in text


def test_a_command_is_measured(tmp_path: Path) -> None:
    """Its code, what it printed, and that it left nothing."""
    code = "import sys; print('{}'); sys.stderr.write('oh'); sys.exit(6)"

    ran = command.run((sys.executable, "-c", code), tmp_path, os.environ)

    assert (ran.code, ran.document, ran.stderr, ran.left) == (6, {}, "oh", 0)


def test_the_peaks_of_memory_and_files_are_seen(tmp_path: Path) -> None:
    """Also of what was given back before the end."""
    code = (
        "import time; memory = b'a' * (60 << 20); del memory\n"
        "files = [open('/dev/null') for _ in range(40)]\n"
        "while time.process_time() < 0.5: pass"  # long enough to be looked at
    )

    ran = command.run((sys.executable, "-c", code), tmp_path, os.environ)

    assert ran.memory > 60
    assert ran.files > 40


def test_a_process_that_outlives_its_command_is_seen(tmp_path: Path) -> None:
    """It is counted by its session, whoever its parent is now."""
    code = (
        "import subprocess; p = subprocess.Popen(['sleep', '60'],"
        " stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL); print(p.pid)"
    )

    ran = command.run((sys.executable, "-W", "ignore", "-c", code), tmp_path, os.environ)
    os.kill(int(ran.stdout), signal.SIGKILL)

    assert ran.left == 1


def test_this_process_is_read_from_the_kernel() -> None:
    """Its memory, files, start and session; of one that is gone, nothing."""
    me = os.getpid()

    assert host.read_memory(me) > 5
    assert (host.count_files(me) or 0) > 2
    assert 0 < (host.read_start(me) or 0) < host.now()
    gone = 2**22 + 1
    assert (host.read_memory(gone), host.count_files(gone), host.read_start(gone)) == (0, 0, None)
    assert host.find_children(gone) == []


def test_a_name_with_brackets_does_not_shift_the_fields() -> None:
    """Field two of a process's line may hold anything; a zombie has no session any more."""
    stat = "7 (a) b) c) {state} 1 7 55 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 1234 0 0"

    assert host.parse_session(stat.format(state="S")) == 55
    assert host.parse_session(stat.format(state="Z")) == 0
    assert host.parse_session("") == 0
    assert host.parse_start(stat.format(state="S")) == 1234 / host.TICKS
    assert host.parse_memory("VmRSS:\t  2048 kB\n", "VmRSS") == 2
    assert host.parse_memory("", "VmRSS") == 0
