"""The gate, in a time that only passes when it waits."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING

import pytest

from orchestrator.asking import Answer, Unanswered
from orchestrator.errors import CandidateError
from orchestrator.events import Event, Probed
from orchestrator.health import BODY_SHOWN, Gate, Verdict, count_streaks, judge
from orchestrator.stack.model import Health
from tests.fakes.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

HEALTHY = Verdict(healthy=True, status=200)
SICK = Verdict(healthy=False, status=503)


@pytest.mark.parametrize(
    ("answer", "healthy", "wrong_version"),
    [
        (Answer(200, b"ok"), True, False),
        (Answer(204), True, False),
        (Answer(200, b'{"status": "up"}'), True, False),
        (Answer(200, b'["v2"]'), True, False),
        (Answer(200, b'{"version": null}'), True, False),
        (Answer(200, b'{"version": "v2"}'), True, False),
        (Answer(200, b'{"version": "v1"}'), False, True),
        (Answer(200, b'{"version": ""}'), False, True),
        (Answer(200, b'{"version": "v1'), True, False),
        (Answer(200, b"\xff\xfe"), True, False),
        (Answer(301, b'{"version": "v2"}'), False, False),
        (Answer(404), False, False),
        (Answer(503, b'{"version": "v1"}'), False, False),
    ],
)
def test_an_answer_is_judged(*, answer: Answer, healthy: bool, wrong_version: bool) -> None:
    """It is healthy with 2xx and, where it names a version, with the right one."""
    verdict = judge(answer, "v2")
    assert (verdict.healthy, verdict.wrong_version) == (healthy, wrong_version)
    assert verdict.status == answer.status


def test_a_version_that_is_a_number_is_one() -> None:
    """JSON may call version `2` what was asked for as text."""
    assert judge(Answer(200, b'{"version": 2}'), "2").healthy


def test_the_body_of_a_sick_answer_is_shown_in_one_short_line() -> None:
    """It says why, without its line ends and its length."""
    verdict = judge(Answer(500, b"no\n  database\n" + b"x" * 9999), "v1")
    assert verdict.detail.startswith("no database xxx")
    assert len(verdict.detail) == BODY_SHOWN


def test_streaks_count_healthy_answers_in_a_row() -> None:
    """One sick answer makes a replica begin anew; the others go on."""
    streaks = count_streaks({"a": 2, "b": 2}, {"a": HEALTHY, "b": SICK, "c": HEALTHY})
    assert streaks == {"a": 3, "b": 0, "c": 1}


class Replicas:
    """Answers from a script for each replica; the last answer of a script goes on."""

    def __init__(self, **scripts: Sequence[int | str]) -> None:
        self.scripts = {name: list(script) for name, script in scripts.items()}
        self.asked: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, replica: str) -> Answer:
        """Answer as the script says: a status, a version or nothing."""
        with self._lock:
            self.asked.append(replica)
            script = self.scripts[replica]
            said = script.pop(0) if len(script) > 1 else script[0]
        if said == "refused":
            raise Unanswered("ConnectError")
        if isinstance(said, str):
            return Answer(200, json.dumps({"version": said}).encode())
        return Answer(said)


class Trial:
    """One candidate before the gate."""

    def __init__(self, health: Health | None = None) -> None:
        self.clock = FakeClock()
        self.events: list[Event] = []
        self.gate = Gate(health or Health(), "v2", self.clock, self.events.append)

    def run(self, replicas: Replicas, crashed: Callable[[], Sequence[str]] = tuple) -> None:
        """Let the gate decide."""
        self.gate.wait(list(replicas.scripts), replicas, crashed)

    @property
    def probes(self) -> list[tuple[str, int, bool]]:
        """Return who was asked at which attempt and was healthy."""
        return [
            (event.replica, event.attempt, event.healthy)
            for event in self.events
            if isinstance(event, Probed)
        ]


def test_a_healthy_candidate_passes() -> None:
    """Every replica was asked as often as it must answer, and each answer is an event."""
    trial, replicas = Trial(), Replicas(a=["v2"], b=[200])
    trial.run(replicas)
    assert sorted(trial.probes) == [(name, n, True) for name in "ab" for n in (1, 2, 3)]
    assert trial.clock.slept == [0.05, 0.05]


def test_a_flapping_replica_begins_anew() -> None:
    """The healthy answers count only in a row, and of every replica."""
    trial = Trial()
    trial.run(Replicas(a=["v2", "v2", 503, "v2", "refused", "v2"], b=["v2"]))
    answers = [healthy for name, _, healthy in trial.probes if name == "a"]
    assert answers == [True, True, False, True, False, True, True, True]


def test_a_candidate_that_boots_slowly_passes() -> None:
    """Refused connections are waited out, more eagerly than healthy answers are repeated."""
    trial = Trial()
    trial.run(Replicas(a=["refused"] * 40 + ["v2"]))
    assert trial.clock.slept == pytest.approx([0.03] * 40 + [0.05] * 2)
    assert "no answer (ConnectError)" in str(trial.events[0])


def test_a_late_candidate_is_refused() -> None:
    """After the deadline, and naming those replicas that were late."""
    trial = Trial(Health(deadline=5))
    with pytest.raises(CandidateError) as raised:
        trial.run(Replicas(a=["v2"], b=[503]))
    assert "`b` gave no 3 healthy answers in a row within 5 s" in raised.value.message
    assert "`a`" not in raised.value.message
    assert "health.deadline" in str(raised.value.hint)
    assert trial.clock.monotonic() == pytest.approx(5, abs=0.1)


def test_a_crashed_candidate_is_refused_at_once() -> None:
    """Long before the deadline."""
    trial = Trial()
    with pytest.raises(CandidateError, match="`b` crashed at start"):
        trial.run(Replicas(a=["v2"], b=["refused"]), lambda: ["b"])
    assert trial.clock.monotonic() < 1


def test_a_candidate_that_crashes_at_the_deadline_is_told_as_crashed() -> None:
    """The cause is told rather than that it was late."""
    trial = Trial(Health(deadline=1))

    def crashed() -> Sequence[str]:
        return ["a"] if trial.clock.monotonic() >= 1 else []

    with pytest.raises(CandidateError, match="`a` crashed at start"):
        trial.run(Replicas(a=[503]), crashed)


def test_the_wrong_version_is_refused_at_once() -> None:
    """An image that was built without its version is found at the first answer."""
    trial = Trial()
    with pytest.raises(CandidateError) as raised:
        trial.run(Replicas(a=["v2"], b=["v1"]))
    assert raised.value.message == "`b` answers version `v1`, asked for was `v2`"
    assert "VERSION" in str(raised.value.hint)
    assert trial.clock.slept == []
