"""The gate: a candidate passes once every replica gave so many good answers in a row.

Probes take the way that traffic will take, through the gateway. The decisions are pure; the loop
around them only asks, counts and waits.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

from orchestrator.asking import Answer, Unanswered
from orchestrator.errors import CandidateError
from orchestrator.events import Emit, Probed

if TYPE_CHECKING:
    from orchestrator.clock import Clock
    from orchestrator.stack.model import Health

EAGER = 0.03  # seconds between probes while a replica boots: its first answer is not waited for
LARGEST_BODY = 64 * 1024  # bytes that are read for a version
BODY_SHOWN = 120  # characters of an unhealthy answer's body
CRASH_CHECK = 0.5  # seconds between looks at the container states

Ask = Callable[[str], Answer]


@dataclass(frozen=True)
class Verdict:
    """What one answer of `/health` says."""

    healthy: bool
    status: int | None
    detail: str = ""
    wrong_version: bool = False


def judge(answer: Answer, version: str) -> Verdict:
    """Judge an answer: 2xx, and where it names a version, the one that was asked for."""
    status = answer.status
    body = answer.body[:LARGEST_BODY].decode(errors="replace")
    if not answer.good:
        return Verdict(healthy=False, status=status, detail=" ".join(body.split())[:BODY_SHOWN])
    answered = _version_in(body)
    if answered is not None and answered != version:
        detail = f"answers version `{answered}`, asked for was `{version}`"
        return Verdict(healthy=False, status=status, detail=detail, wrong_version=True)
    return Verdict(healthy=True, status=status)


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
    ) -> None:
        """Return once all replicas passed.

        Raises CandidateError when the deadline has passed, a replica crashed or one answered
        another version than the one that was asked for.
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
                    self._refuse_crashed(crashed())
                if now - started >= self._health.deadline:
                    break
                self._clock.sleep(max(0.0, asked + self._pause(streaks) - now))
        self._refuse_late(streaks, crashed())

    def _pause(self, streaks: Mapping[str, int]) -> float:
        boots = not all(streaks.values())
        return EAGER if boots or self._warm else self._health.interval

    def _probe(self, ask: Ask, attempt: int) -> Callable[[str], Verdict]:
        def probe(replica: str) -> Verdict:
            started = self._clock.monotonic()
            try:
                verdict = judge(ask(replica), self._version)
            except Unanswered as error:
                verdict = Verdict(healthy=False, status=None, detail=f"no answer ({error})")
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
                    "check that the image was built with the build argument VERSION",
                )

    def _refuse_crashed(self, crashed: Sequence[str]) -> None:
        if crashed:
            names = ", ".join(f"`{name}`" for name in crashed)
            raise CandidateError(f"{names} crashed at start", "its last log lines say why")

    def _refuse_late(self, streaks: Mapping[str, int], crashed: Sequence[str]) -> None:
        self._refuse_crashed(crashed)
        late = ", ".join(
            f"`{replica}`" for replica, streak in streaks.items() if streak < self._health.successes
        )
        raise CandidateError(
            f"{late} gave no {self._health.successes} healthy answers in a row within"
            f" {self._health.deadline:g} s",
            "see the probes above; a slow start needs a longer `health.deadline`",
        )


def count_streaks(streaks: Mapping[str, int], verdicts: Mapping[str, Verdict]) -> dict[str, int]:
    """Return the healthy answers in a row of each replica after another round."""
    return {
        replica: streaks.get(replica, 0) + 1 if verdict.healthy else 0
        for replica, verdict in verdicts.items()
    }
