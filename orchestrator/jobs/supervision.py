"""A run of a job, from its container to its record.

The container comes first and goes last: until its record is written it tells all that the record needs.
So a run whose stackctl dies is found by the next one, which waits for its end and records it.
"""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from orchestrator.clock import poll
from orchestrator.errors import (
    ConfigurationError,
    EngineError,
    Interrupted,
    LockedError,
    StackctlError,
)
from orchestrator.events import Warned
from orchestrator.jobs.record import LINES, JobRun, Outcome, add_run, cut_output, list_runs
from orchestrator.lifecycle.single_run import plan_run, require_active
from orchestrator.release.candidate import ensure_volumes
from orchestrator.release.lock import hold_lock, operator
from orchestrator.release.observe import is_ours
from orchestrator.signals import put_off
from orchestrator.stack import naming
from orchestrator.stack.forms import NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.engine.ports import Session
    from orchestrator.engine.values import Container, ContainerSpec
    from orchestrator.release.house import House
    from orchestrator.stack.job import Job

Show = Callable[[int, bytes], None]  # takes what a job prints: the stream, and the bytes
LOOK_EVERY, QUICKLY = 0.1, 10.0  # seconds between two looks, and for how long
LOOK_LATER = 1.0  # seconds between two looks from then on
OUTPUT_ENDS = 5.0  # seconds after the job's own end
TAKEN_OVER = "taken over from a stackctl that died"
DIED = "the stackctl that began it died"
SINCE, HOLDER, HOST = (naming.PREFIX + word for word in ("since", "holder", "host"))


def run_job(
    house: House,
    name: str,
    show: Show,
    tell: Callable[[str], None] = lambda _: None,
    wait: float = 0.0,
) -> JobRun:
    """Run a job once, and record it; `tell` hears where it runs, before it prints anything.

    Waits `wait` seconds for another run of the same job.

    Raises ConfigurationError, LockedError where it runs already, Interrupted once it was stopped,
    StackctlError where it cannot begin.
    """
    job = require_job(house, name)
    require_active(house, job.service)
    with hold_lock(house, f"run --job {name}", wait, job=name):
        for left in _list(house):
            if left.labels[naming.JOB] == name:
                _take_over(house, job, left)
        return _run(house, name, job, show, tell)


def require_job(house: House, name: str) -> Job:
    """Return a job of stack.yaml. Raises ConfigurationError."""
    job = house.stack.jobs.get(name)
    if job is None:
        known = ", ".join(f"`{each}`" for each in house.stack.jobs) or "none"
        raise ConfigurationError(f"there is no job `{name}` in stack.yaml; it has {known}")
    return job


def record_left(house: House) -> tuple[str, ...]:
    """Record the runs that have ended, and whose stackctl did not live to see it; return what was removed.

    Whatever still runs is left to the next run of its job.
    """
    removed = []
    for name in sorted({one.labels[naming.JOB] for one in _list(house) if not one.running}):
        with suppress(LockedError), hold_lock(house, f"the record of `{name}`", job=name):
            for left in _list(house):
                if left.labels[naming.JOB] == name and not left.running:
                    _conclude_left(house, left)
                    removed.append(left.name)
    return tuple(removed)


def _run(house: House, name: str, job: Job, show: Show, tell: Callable[[str], None]) -> JobRun:
    begin = _now(house)
    try:
        spec = _plan(house, name, job, begin)
        ensure_volumes(house.engine, (spec,))
    except Interrupted:
        raise
    except StackctlError as error:
        add_run(house.reports, JobRun(name, "not started", note=error.message, begin=begin))
        raise
    with put_off():  # one that is still being made would be left
        container = house.engine.create(spec)
    made = _describe(spec.labels, spec.image, container)
    try:
        session = house.engine.begin(container, spec.entrypoint[0], terminal=False)
    except Interrupted as asked:
        with put_off():
            house.engine.stop(container, spec.stop_grace)
            _conclude(house, made, _Seen("interrupted", asked.message))
        raise
    except StackctlError as error:
        with put_off():
            _conclude(house, made, _Seen("not started", error.message))
        raise
    tell(f"in {spec.name} ({made.version})")
    return _attend(house, job, made, session, show)


def _attend(house: House, job: Job, made: JobRun, session: Session, show: Show) -> JobRun:
    """Pass a job's output on until it ends, and record it."""
    with closing(session):
        session.end_input()
        reader = threading.Thread(target=_pass_on, args=(session, show), daemon=True)
        reader.start()
        seen = _supervise(house, job, made.container, job.timeout)
        reader.join(OUTPUT_ENDS)
    with put_off():
        run = _conclude(house, made, seen)
    if seen.asked is not None:
        raise seen.asked
    return run


def _pass_on(session: Session, show: Show) -> None:
    with suppress(EngineError):  # the record has what can still be read
        for stream, data in session.output():
            show(stream, data)


def _plan(house: House, name: str, job: Job, begin: str) -> ContainerSpec:
    spec = plan_run(house, job.service, job.command, None, terminal=False)
    facts = {naming.JOB: name, SINCE: begin, HOLDER: operator(), HOST: socket.gethostname()}
    spec = replace(spec, labels={**spec.labels, **facts})
    limits = job.resources
    if limits is None:
        return spec
    return replace(spec, memory=limits.memory, cpus=limits.cpus, pids=limits.pids)


@dataclass(frozen=True)
class _Seen:
    """How a run ended."""

    outcome: Outcome | None  # None: as its exit code says
    note: str = ""
    asked: Interrupted | None = None
    witnessed: bool = True  # somebody saw it end


def _supervise(house: House, job: Job, container: str, seconds: float) -> _Seen:
    """Return once a job has ended, by itself or because of us."""
    grace = house.stack.services[job.service].stop_grace
    try:
        if _await_end(house, container, seconds):
            return _Seen(None)
    except Interrupted as asked:
        with put_off():
            house.engine.stop(container, grace)
        return _Seen("interrupted", asked.message, asked)
    with put_off():
        house.engine.stop(container, grace)
    return _Seen("timed out", f"it did not end within {job.timeout:g} s")


def _await_end(house: House, container: str, seconds: float) -> bool:
    """Whether a container ends, or is gone, within some seconds."""

    def ended() -> bool | None:
        found = _find(house, container)
        return True if found is None or found.crashed else None

    first = min(QUICKLY, seconds)
    if poll(ended, clock=house.clock, every=LOOK_EVERY, within=first):
        return True
    left = seconds - first
    return bool(left and poll(ended, clock=house.clock, every=LOOK_LATER, within=left))


def _take_over(house: House, job: Job, left: Container) -> None:
    """Wait for a run whose stackctl is gone, as that would have done; then record it."""
    if not left.running:
        _conclude_left(house, left)
        return
    made = _describe(left.labels, left.image, left.id)
    house.emit(
        Warned(
            f"the job `{made.job}` still runs since {made.begin}, and the stackctl that began it is"
            " gone: this run begins after it"
        )
    )
    seen = _supervise(house, job, left.id, max(0.0, job.timeout - _age(house, made.begin)))
    with put_off():
        _conclude(house, made, replace(seen, note=seen.note or TAKEN_OVER))
    if seen.asked is not None:
        raise seen.asked


def _conclude_left(house: House, left: Container) -> None:
    begun = left.state != "created"
    seen = _Seen(None, DIED, witnessed=False) if begun else _Seen("not started", DIED)
    with put_off():
        run = _conclude(house, _describe(left.labels, left.image, left.id), seen)
    house.emit(Warned(f"a run of the job `{run.job}` was left, and is recorded now: {run.told}"))


def _conclude(house: House, made: JobRun, seen: _Seen) -> JobRun:
    """Record a run, and then remove its container."""
    found = _find(house, made.container)
    run = replace(made, note=seen.note, end=_now(house) if seen.witnessed else "")
    if found is None:
        run = replace(run, outcome="removed", note="its container was removed while it ran")
    else:
        ending = house.engine.ending(found.id)
        by_itself: Outcome = "failed" if ending.exit_code else "done"
        outcome = seen.outcome or by_itself
        memory = "it wanted more memory than it may have" if ending.out_of_memory else ""
        run = replace(
            run,
            outcome=outcome,
            exit_code=None if outcome == "not started" else ending.exit_code,
            note="; ".join(filter(None, (memory, seen.note))),
            output=cut_output(house.engine.logs(found.id, tail=LINES)),
        )
    # Somebody who died between these two steps has left a container with a record.
    if all(each.container != made.container for each in list_runs(house.reports, made.job)):
        add_run(house.reports, run)
    house.engine.remove(made.container, data=True)
    return run


def _describe(labels: Mapping[str, str], image: str, container: str) -> JobRun:
    """Return what is known of a run while nothing has come of it."""
    return JobRun(
        job=labels.get(naming.JOB, ""),
        outcome="not started",
        begin=labels.get(SINCE, ""),
        service=labels.get(naming.SERVICE, ""),
        version=labels.get(naming.VERSION, ""),
        image=image,
        container=container,
        operator=labels.get(HOLDER, ""),
        host=labels.get(HOST, ""),
    )


def _list(house: House) -> list[Container]:
    """Return the containers of jobs."""
    return [
        one
        for one in house.engine.containers(house.stack.name)
        if one.labels.get(naming.ROLE) == "run"
        and re.fullmatch(NAME, one.labels.get(naming.JOB, ""))
        and is_ours(one)
    ]


def _find(house: House, container: str) -> Container | None:
    return next((one for one in _list(house) if one.id == container), None)


def _now(house: House) -> str:
    return house.clock.now().isoformat(timespec="seconds")


def _age(house: House, since: str) -> float:
    """Return the seconds since a time; none where it is no time."""
    try:
        return (house.clock.now() - datetime.fromisoformat(since)).total_seconds()
    except (ValueError, TypeError):  # a label that somebody else wrote
        return 0.0
