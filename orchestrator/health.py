"""The gate: a candidate passes once every replica gave so many good answers in a row.

Probes take the way that traffic will take, through the gateway. The decisions are pure; the loop
around them only asks, counts and waits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from orchestrator import grpc
from orchestrator.asking import Answer, Unanswered
from orchestrator.errors import CandidateError
from orchestrator.events import Emit, Probed

if TYPE_CHECKING:
    from orchestrator.clock import Clock
    from orchestrator.stack.health import Health

EAGER = 0.03  # seconds between probes while a replica boots: its first answer is not waited for
RARELY = 1.0  # seconds between them at most
PATIENT = 50  # such a part of the time that it has taken so far is waited until the next one
DETAIL_SHOWN = 120  # characters of what an unhealthy answer says
WRONG_HOST = (HTTPStatus.BAD_REQUEST, HTTPStatus.MISDIRECTED_REQUEST)
NOT_FOR_ALL = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
CRASH_CHECK = 0.5  # seconds between looks at the container states

Ask = Callable[[str], Answer]


class Reason(NamedTuple):
    """Why a replica does not pass, and what to do about it."""

    text: str
    hint: str


@dataclass(frozen=True)
class Verdict:
    """What one answer of `/health` says."""

    healthy: bool
    status: int | None  # of HTTP, or of gRPC, which are below 100; None: there is no whole answer
    detail: str = ""
    wrong_version: bool = False
    hint: str = ""

    @property
    def text(self) -> str:
        """Say what was answered."""
        status = f"status {self.status}" if self.status else ""
        return f"{status} {self.detail}".strip()


Explain = Callable[[str, Verdict], Reason | None]  # a replica, and the last that was heard of it


def judge(answer: Answer, version: str, health: Health) -> Verdict:
    """Judge an answer: a good status, and where it names a version, the one that was asked for."""
    status = answer.status
    if health.service is not None:
        return _judge_call(answer, health.service)
    if not health.expects(status):
        return _refuse(answer, health)
    answered = _version_in(answer.text) if health.version == "check" else None
    if answered is not None and answered != version:
        detail = f"answers version `{_shorten(answered)}`, asked for was `{version}`"
        return Verdict(healthy=False, status=status, detail=detail, wrong_version=True)
    return Verdict(healthy=True, status=status)


def _judge_call(answer: Answer, service: str) -> Verdict:
    """Judge what gRPC's health protocol says of a service."""
    if answer.status != HTTPStatus.OK:
        gateway = answer.status == HTTPStatus.BAD_GATEWAY  # it says so where nobody has answered
        hint = (
            "" if gateway else "`protocol: grpc` is for an app that answers calls of gRPC at `port`"
        )
        return Verdict(healthy=False, status=answer.status, detail=_shorten(answer.text), hint=hint)
    told = grpc.read_check(
        answer.header("grpc-status"), answer.header("grpc-message"), answer.body, service
    )
    detail = _shorten(told.fault)
    return Verdict(healthy=not detail, status=told.status, detail=detail, hint=told.hint)


def _refuse(answer: Answer, health: Health) -> Verdict:
    said, status = _shorten(answer.text), answer.status
    location = _shorten(answer.header("Location"))
    if 300 <= status < 400 and location:
        said = f"redirects to `{location}`"
    return Verdict(healthy=False, status=status, detail=said, hint=_find_hint(status, health))


def _find_hint(status: int, health: Health) -> str:
    """Return what to do about a status that will hardly be another one with more time."""
    if 200 <= status < 300:
        return "what is good is named by `health.expect`: add the status"
    if 300 <= status < 400:
        return (
            "an app that insists on a host or a login redirects each probe: see `health.path` and"
            " `health.host`, or take the status for good with `health.expect`"
        )
    if status in WRONG_HOST:
        return "an app that knows its own names refuses others: name one of them in `health.host`"
    if status in NOT_FOR_ALL:
        return (
            f"`{health.path}` is not for everybody: name another path in `health.path`, or take the"
            " status for good with `health.expect`"
        )
    if status == HTTPStatus.NOT_FOUND:
        return f"the app has no `{health.path}`: name in `health.path` what answers once it is well"
    return ""


def _shorten(text: str) -> str:
    return " ".join(text.split())[:DETAIL_SHOWN]


def _version_in(body: str) -> str | None:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):  # no JSON, or JSON of brackets only
        return None
    version = document.get("version") if isinstance(document, dict) else None
    return None if version is None else str(version)


class Gate:
    """Decides on one candidate; every probe is emitted as an event.

    One that is `warm`, which has run all the time, needs no pause between its answers.
    """

    def __init__(
        self, health: Health, version: str, clock: Clock, emit: Emit, *, warm: bool = False
    ) -> None:
        self._health = health
        self._version = version
        self._clock = clock
        self._emit = emit
        self._warm = warm

    def wait(
        self,
        replicas: Sequence[str],
        ask: Ask,
        crashed: Callable[[], Sequence[str]],
        explain: Explain,
    ) -> None:
        """Return once all replicas passed.

        Raises CandidateError when the deadline has passed, a replica crashed or one answered
        another version than the one that was asked for. `explain` is asked only then.
        """
        started = self._clock.monotonic()
        looked = started
        streaks = dict.fromkeys(replicas, 0)
        with ThreadPoolExecutor(max_workers=len(replicas), thread_name_prefix="probe") as pool:
            for attempt in range(1, 1_000_000):
                asked = self._clock.monotonic()
                verdicts = dict(
                    zip(replicas, pool.map(self._probe(ask, attempt), replicas), strict=True)
                )
                streaks = count_streaks(streaks, verdicts)
                if min(streaks.values()) >= self._health.successes:
                    return
                self._refuse_wrong_version(verdicts)
                now = self._clock.monotonic()
                if not all(streaks.values()) and now - looked >= CRASH_CHECK:
                    looked = now
                    _refuse_crashed(crashed(), verdicts, explain)
                left = started + self._health.deadline - now
                if left <= 0:
                    break
                pause = self._pause(streaks, now - started)
                self._clock.sleep(min(left, max(0.0, asked + pause - now)))
        _refuse_crashed(crashed(), verdicts, explain)
        late = [name for name, streak in streaks.items() if streak < self._health.successes]
        self._refuse_late(late, verdicts, explain)

    def _pause(self, streaks: Mapping[str, int], spent: float) -> float:
        """Return the seconds until the next question; who boots for long is asked less and less.

        So a slow start costs a fiftieth more at most, and the log of one that never gets well has some
        other lines than those of thousands of probes.
        """
        if not all(streaks.values()):
            return min(max(EAGER, spent / PATIENT), RARELY)
        return EAGER if self._warm else self._health.interval

    def _probe(self, ask: Ask, attempt: int) -> Callable[[str], Verdict]:
        def probe(replica: str) -> Verdict:
            started = self._clock.monotonic()
            try:
                verdict = judge(ask(replica), self._version, self._health)
            except Unanswered as error:
                verdict = Verdict(
                    healthy=False,
                    status=None,
                    detail=f"no answer ({error})",
                    hint=f"a whole answer must come within `health.timeout`, which is"
                    f" {self._health.timeout:g} s",
                )
            milliseconds = round((self._clock.monotonic() - started) * 1000, 1)
            self._emit(
                Probed(
                    replica=replica,
                    attempt=attempt,
                    healthy=verdict.healthy,
                    status=verdict.status,
                    ms=milliseconds,
                    detail=verdict.detail,
                )
            )
            return verdict

        return probe

    def _refuse_wrong_version(self, verdicts: Mapping[str, Verdict]) -> None:
        for replica, verdict in verdicts.items():
            if verdict.wrong_version:
                raise CandidateError(
                    f"`{replica}` {verdict.detail}",
                    "build the image with the build argument VERSION; where the app has versions of"
                    " its own: `health.version: ignore`",
                )

    def _refuse_late(
        self, late: Sequence[str], verdicts: Mapping[str, Verdict], explain: Explain
    ) -> None:
        silent = [name for name in late if not verdicts[name].healthy]
        told = ""
        hint = "see the probes above; a slow start needs a longer `health.deadline`"
        if silent:
            last = verdicts[silent[0]]
            reason = explain(silent[0], last) or Reason(_tell(last), last.hint or hint)
            told, hint = f"; `{silent[0]}` {reason.text}", reason.hint
        raise CandidateError(
            f"{_join(late)} did not give {self._health.successes} healthy answers in a row within"
            f" {self._health.deadline:g} s{told}",
            hint,
        )


def _refuse_crashed(
    crashed: Sequence[str], verdicts: Mapping[str, Verdict], explain: Explain
) -> None:
    if not crashed:
        return
    first = crashed[0]
    last = verdicts.get(first, Verdict(healthy=False, status=None))
    reason = explain(first, last) or Reason("", "its last log lines say why")
    told = f": it {reason.text}" if reason.text else ""
    raise CandidateError(f"{_join(crashed)} crashed at start{told}", reason.hint)


def _tell(last: Verdict) -> str:
    if last.status is None:
        return f"gave {last.detail}"
    return last.detail if last.detail.startswith("redirects") else f"answered {last.text}"


def _join(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def count_streaks(streaks: Mapping[str, int], verdicts: Mapping[str, Verdict]) -> dict[str, int]:
    """Return the healthy answers in a row of each replica after another round."""
    return {
        replica: streaks.get(replica, 0) + 1 if verdict.healthy else 0
        for replica, verdict in verdicts.items()
    }
