"""A load test from its first run to its last, and how it came to its end."""

from __future__ import annotations

import http.client
import signal
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from orchestrator.bench.k6 import ABORTED, K6, THRESHOLD_MISSED, Inspected, Load
from orchestrator.bench.points import Points
from orchestrator.bench.script import find_length
from orchestrator.errors import GatewayError, Interrupted, StackctlError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.bench.points import Look
    from orchestrator.bench.script import Script
    from orchestrator.clock import Clock
    from orchestrator.stack.quantities import Address
    from orchestrator.stack.url import PublicUrl

LOOK = 0.1  # seconds between two looks at k6
PATIENCE = 5.0  # seconds for the gateway's first answer
SILENCE = 10.0  # seconds without any answer, after which the gateway counts as down
AROUND = 150.0  # seconds for setup, teardown and graceful stops, on top of the script's own length

Outcome = Literal["completed", "interrupted", "killed", "gateway_down", "failed"]


class Tick(NamedTuple):
    """How far a load test has come."""

    run: int
    runs: int
    seconds: float  # since this run began
    length: float
    look: Look


@dataclass(frozen=True)
class Task:
    """What there is to do."""

    k6: K6
    script: Script
    inspected: Inspected
    environment: Mapping[str, str]
    gateway: Address
    runs: int = 1
    public: PublicUrl | None = None  # where clients come, if that is through a proxy
    silence: float = SILENCE

    @property
    def length(self) -> float:
        """Return the seconds that one run lasts."""
        return find_length(self.inspected.options)


@dataclass
class Session:
    """What was measured, however it ended."""

    points: list[Points] = field(default_factory=list)
    summaries: list[dict[str, Any]] = field(default_factory=list)
    outcome: Outcome = "completed"
    error: StackctlError | None = None


def run_session(
    task: Task,
    clock: Clock,
    show: Callable[[Tick], None],
    beside: Callable[[float], None],
    prepare: Callable[[int], None] = lambda _: None,
) -> Session:
    """Run the script as often as wanted; what was measured until an error is kept.

    `prepare` is called with the number of each run before it, `beside` with the seconds since its
    start, again and again: both may do something to what is loaded.
    """
    session = Session()
    for number in range(1, task.runs + 1):
        with TemporaryDirectory(prefix="stackctl-bench-") as folder:
            points = Points()
            session.points.append(points)
            try:
                prepare(number)
                ask_gateway(task.gateway, task.public)
                _run(task, session, Path(folder), clock, (number, show, beside))
            except StackctlError as error:
                session.error = error
                if isinstance(error, Interrupted):
                    session.outcome = "interrupted"
                elif session.outcome == "completed":
                    session.outcome = "failed"
        if session.error is not None:
            break
    return session


def ask_gateway(address: Address, public: PublicUrl | None = None) -> None:
    """Raise GatewayError unless the public listener answers something; by its URL, where it has one.

    NGINX answers this by itself, also where it closes out whoever names no host that it knows.
    """
    address = address.reachable
    secure = public is not None and public.secure
    kind = http.client.HTTPSConnection if secure else http.client.HTTPConnection
    connection = kind(*address, timeout=PATIENCE)
    try:
        connection.request("TRACE", "/")
        connection.getresponse().read()
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise GatewayError(
            f"the gateway does not answer at `{public or address}`: {reason.lower()}",
            "look at it with `stackctl status`; `stackctl up` starts it",
        ) from error
    finally:
        connection.close()


def _run(
    task: Task,
    session: Session,
    folder: Path,
    clock: Clock,
    watching: tuple[int, Callable[[Tick], None], Callable[[float], None]],
) -> None:
    number, show, beside = watching
    points = session.points[-1]
    started = clock.monotonic()
    with Load(task.k6, task.script, task.inspected, task.environment, folder, points) as load:
        try:
            due = 0.0
            while load.code is None:
                clock.sleep(LOOK)
                seconds = clock.monotonic() - started
                if seconds >= due:  # a look has to sort
                    due = seconds + 1.0
                    look = points.look()
                    show(Tick(number, task.runs, seconds, task.length, look))
                    _watch(task, session, seconds, look)
                beside(seconds)
        finally:
            load.stop()
            load.finish()
            summary = load.read_summary()
            if summary is not None:
                session.summaries.append(summary)
        _judge_end(load, session, clock.monotonic() - started)


def _watch(task: Task, session: Session, seconds: float, look: Look) -> None:
    """Raise StackctlError where going on makes no sense."""
    if look.silent >= task.silence:
        session.outcome = "gateway_down"
        raise GatewayError(
            f"the gateway has not answered for {look.silent:.0f} s:"
            f" {look.requests:,} requests were sent until then",
            "look at it with `stackctl status`",
        )
    if seconds > task.length + AROUND:
        raise StackctlError(
            f"k6 did not end {AROUND:.0f} s after the {task.length:g} s of `{task.script.file}`",
            "give the script's setup and teardown less to do",
        )


def _judge_end(load: Load, session: Session, seconds: float) -> None:
    code = load.code
    if code is not None and code < 0:
        session.outcome = "killed"
        raise StackctlError(
            f"k6 was killed by {signal.Signals(-code).name} after {seconds:.1f} s",
            "run it again; the system's log tells whether memory ran out",
        )
    if code == ABORTED:
        raise StackctlError(
            f"the script aborted its test after {seconds:.1f} s: {load.read_error() or 'no reason'}",
            "that is what its `exec.test.abort()` is for; what was measured until then is kept",
        )
    if code not in (0, THRESHOLD_MISSED):
        raise StackctlError(
            f"k6 ended with code {code} after {seconds:.1f} s: {load.read_error() or 'no reason'}",
            "mend the script, or look at the services: `stackctl logs gateway`",
        )
    if len(session.summaries) < len(session.points):
        raise StackctlError(
            f"k6 left no summary after {seconds:.1f} s: {load.read_error() or 'no reason'}",
            "make room where temporary files go",
        )
