"""The gate, in a time that only passes when it waits."""

from __future__ import annotations

import json
import re
import threading
from typing import TYPE_CHECKING

import pytest

from orchestrator.asking import Answer, Unanswered
from orchestrator.errors import CandidateError
from orchestrator.events import Event, Probed
from orchestrator.health import DETAIL_SHOWN, Gate, Reason, Verdict, count_streaks, judge
from orchestrator.stack.health import Health
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
    verdict = judge(answer, "v2", Health())
    assert (verdict.healthy, verdict.wrong_version) == (healthy, wrong_version)
    assert verdict.status == answer.status


def test_a_version_that_is_a_number_is_one() -> None:
    """JSON may call version `2` what was asked for as text."""
    assert judge(Answer(200, b'{"version": 2}'), "2", Health()).healthy


def test_the_body_of_a_sick_answer_is_shown_in_one_short_line() -> None:
    """It says why, without its line ends and its length."""
    verdict = judge(Answer(500, b"no\n  database\n" + b"x" * 9999), "v1", Health())
    assert verdict.detail.startswith("no database xxx")
    assert len(verdict.detail) == DETAIL_SHOWN


@pytest.mark.parametrize(
    ("health", "answer", "healthy"),
    [
        (Health(version="ignore"), Answer(200, b'{"version": "1.4.2"}'), True),
        (Health(expect=(401,)), Answer(401), True),
        (Health(expect=(401,)), Answer(200), False),
        (Health(expect=(200, 302)), Answer(302, headers={"location": "/login"}), True),
        (Health(expect=(401,)), Answer(401, b'{"version": "v1"}'), False),
    ],
)
def test_what_is_a_good_answer_can_be_said(
    *, health: Health, answer: Answer, healthy: bool
) -> None:
    """By its status, and that its version is the app's own."""
    assert judge(answer, "v2", health).healthy is healthy


def test_a_redirect_says_where_it_leads() -> None:
    """In one short line, whatever is in it."""
    answer = Answer(307, b"moved", {"location": "https://shop.example/\n" + "a" * 9999})
    verdict = judge(answer, "v1", Health())
    assert verdict.detail.startswith("redirects to `https://shop.example/ aaa")
    assert len(verdict.detail) < DETAIL_SHOWN + 20
    assert "`health.expect`" in verdict.hint


@pytest.mark.parametrize(
    ("status", "hint"),
    [
        (200, "named by `health.expect`"),
        (302, "see `health.path` and `health.host`"),
        (400, "name one of them in `health.host`"),
        (421, "name one of them in `health.host`"),
        (401, "`/up` is not for everybody"),
        (403, "`/up` is not for everybody"),
        (404, "the app has no `/up`"),
    ],
)
def test_a_status_that_time_does_not_mend_has_a_hint(status: int, hint: str) -> None:
    """Of the key that does."""
    health = Health.model_validate({"path": "/up", "expect": [204]})
    verdict = judge(Answer(status, b""), "v1", health)
    assert (verdict.healthy, verdict.status) == (False, status)
    assert hint in verdict.hint


@pytest.mark.parametrize("status", [405, 429, 500, 502, 503])
def test_a_status_that_time_may_mend_has_none(status: int) -> None:
    """A longer deadline may be all that it takes."""
    assert not judge(Answer(status, b""), "v1", Health()).hint


def test_a_version_of_any_length_is_told_in_a_line() -> None:
    """A page that calls its text a version fills no screen."""
    body = json.dumps({"version": "1\n" * 9999}).encode()
    assert len(judge(Answer(200, body), "v1", Health()).detail) < DETAIL_SHOWN + 60


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
        self.explained: list[tuple[str, int | None]] = []
        self.gate = Gate(health or Health(), "v2", self.clock, self.events.append)

    def run(
        self,
        replicas: Replicas,
        crashed: Callable[[], Sequence[str]] = tuple,
        reason: Reason | None = None,
    ) -> None:
        """Let the gate decide; `reason` is what is found out about one that does not pass."""

        def explain(replica: str, last: Verdict) -> Reason | None:
            self.explained.append((replica, last.status))
            return reason

        self.gate.wait(list(replicas.scripts), replicas, crashed, explain)

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
    assert trial.explained == []
    assert trial.clock.slept == [0.1, 0.1]


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
    assert trial.clock.slept == pytest.approx([0.03] * 40 + [0.1] * 2)
    assert "no answer (ConnectError)" in str(trial.events[0])


def test_one_that_boots_for_long_is_asked_less_and_less() -> None:
    """Some hundred times in a minute instead of two thousand; a good answer counts soon all the same."""
    trial = Trial(Health(deadline=120))
    trial.run(Replicas(a=[503] * 230 + ["v2"]))
    pauses = trial.clock.slept[:-2]
    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.03, 1.0)
    assert sum(pauses) > 50


def test_a_late_candidate_is_refused() -> None:
    """After the deadline, and naming those replicas that were late."""
    trial = Trial(Health(deadline=5))
    with pytest.raises(CandidateError) as raised:
        trial.run(Replicas(a=["v2"], b=[503]))
    assert "`b` did not give 3 healthy answers in a row within 5 s" in raised.value.message
    assert "`a`" not in raised.value.message
    assert "health.deadline" in str(raised.value.hint)
    assert trial.clock.monotonic() == pytest.approx(5, abs=0.1)


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (503, "within 1 s; `a` answered status 503"),
        ("refused", "within 1 s; `a` gave no answer (ConnectError)"),
    ],
)
def test_a_late_candidate_is_told_with_its_last_answer(said: int | str, told: str) -> None:
    """Where nobody knows more than that."""
    trial = Trial(Health(deadline=1))
    with pytest.raises(CandidateError, match=re.escape(told)):
        trial.run(Replicas(a=[said]))
    assert len(trial.explained) == 1


def test_a_late_candidate_is_told_with_its_reason() -> None:
    """Found out about the first of those whose last answer was none, and with a hint of its own."""
    trial = Trial(Health(deadline=1))
    with pytest.raises(CandidateError) as raised:
        trial.run(Replicas(a=["v2"], b=[502]), reason=Reason("listens on 127.0.0.1", "on 0.0.0.0"))
    assert raised.value.message.endswith("within 1 s; `b` listens on 127.0.0.1")
    assert raised.value.hint == "on 0.0.0.0"
    assert trial.explained == [("b", 502)]


def test_a_long_interval_moves_no_deadline() -> None:
    """The last probe is at the deadline, not an interval behind it."""
    trial = Trial(Health(interval=60, deadline=2, successes=2))
    with pytest.raises(CandidateError, match="within 2 s"):
        trial.run(Replicas(a=["v2", 503]))
    assert trial.clock.monotonic() == pytest.approx(2, abs=0.01)


def test_a_crashed_candidate_is_told_with_its_reason() -> None:
    """And names all that crashed."""
    trial = Trial()
    with pytest.raises(CandidateError) as raised:
        trial.run(
            Replicas(a=["refused"], b=["refused"]),
            lambda: ["a", "b"],
            Reason("was killed for memory", "it wants more than `resources.memory`"),
        )
    assert raised.value.message == "`a`, `b` crashed at start: it was killed for memory"
    assert "resources.memory" in str(raised.value.hint)


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
