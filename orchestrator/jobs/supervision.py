"""A run of a job, from its container to its record.

The container comes first and goes last: until its record is written it tells all that the record needs.
So a run whose stackctl dies is found by the next one, which waits for its end and records it.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.clock import poll
from orchestrator.errors import (
    ConfigurationError,
    EngineError,
    Interrupted,
    StackctlError,
)
from orchestrator.events import Warned
from orchestrator.jobs.conclusion import (
    HOLDER,
    HOST,
    SINCE,
    Seen,
    conclude,
    conclude_left,
    describe_run,
    find_age,
    find_container,
    list_containers,
    tell_time,
)
from orchestrator.jobs.record import JobRun, add_run
from orchestrator.lifecycle.single_run import plan_run, require_active
from orchestrator.release.candidate import ensure_volumes
from orchestrator.release.lock import hold_lock, operator
from orchestrator.signals import put_off
from orchestrator.stack import naming

if TYPE_CHECKING:
    from orchestrator.engine.ports import Session
    from orchestrator.engine.values import Container, ContainerSpec
    from orchestrator.release.house import House
    from orchestrator.stack.job import Job

Show = Callable[[int, bytes], None]  # takes what a job prints: the stream, and the bytes
LOOK_EVERY, QUICKLY = 0.1, 10.0  # seconds between two looks, and for how long
LOOK_LATER = 1.0  # seconds between two looks from then on
OUTPUT_ENDS = 5.0  # seconds after the job's own end
TAKEN_OVER = "taken over from a stackctl that died"


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
        for left in list_containers(house):
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


def _run(house: House, name: str, job: Job, show: Show, tell: Callable[[str], None]) -> JobRun:
    begin = tell_time(house)
    try:
        spec = _plan(house, name, job, begin)
        ensure_volumes(house.engine, (spec,))
    except Interrupted:
        raise
    except StackctlError as error:
        add_run(house.reports, JobRun(name, "not started", note=error.message, begin=begin))
        raise
    made: JobRun | None = None
    try:
        with put_off():  # of one that is still being made nobody would know
            container = house.engine.create(spec)
            made = describe_run(spec.labels, spec.image, container)
        return _begin(house, job, made, spec, (show, tell))
    except Interrupted as asked:  # whenever it comes, the container ends, and there is a record
        if made is not None:
            with put_off():
                house.engine.stop(made.container, spec.stop_grace)
                conclude(house, made, Seen("interrupted", asked.message))
        raise


def _begin(
    house: House,
    job: Job,
    made: JobRun,
    spec: ContainerSpec,
    ears: tuple[Show, Callable[[str], None]],
) -> JobRun:
    show, tell = ears
    try:
        session = house.engine.begin(made.container, spec.entrypoint[0], terminal=False)
    except Interrupted:
        raise
    except StackctlError as error:
        with put_off():
            conclude(house, made, Seen("not started", error.message))
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
        run = conclude(house, made, seen)
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


def _supervise(house: House, job: Job, container: str, seconds: float) -> Seen:
    """Return once a job has ended, by itself or because of us."""
    grace = house.stack.services[job.service].stop_grace
    try:
        if _await_end(house, container, seconds):
            return Seen(None)
    except Interrupted as asked:
        with put_off():
            house.engine.stop(container, grace)
        return Seen("interrupted", asked.message, asked)
    with put_off():
        house.engine.stop(container, grace)
    return Seen("timed out", f"it did not end within {job.timeout:g} s")


def _await_end(house: House, container: str, seconds: float) -> bool:
    """Whether a container ends, or is gone, within some seconds."""

    def ended() -> bool | None:
        found = find_container(house, container)
        return True if found is None or found.crashed else None

    first = min(QUICKLY, seconds)
    if poll(ended, clock=house.clock, every=LOOK_EVERY, within=first):
        return True
    left = seconds - first
    return bool(left and poll(ended, clock=house.clock, every=LOOK_LATER, within=left))


def _take_over(house: House, job: Job, left: Container) -> None:
    """Wait for a run whose stackctl is gone, as that would have done; then record it."""
    if not left.running:
        conclude_left(house, left)
        return
    made = describe_run(left.labels, left.image, left.id)
    house.emit(
        Warned(
            f"the job `{made.job}` still runs since {made.begin}, and the stackctl that began it is"
            " gone: this run begins after it"
        )
    )
    seen = _supervise(house, job, left.id, max(0.0, job.timeout - find_age(house, made.begin)))
    with put_off():
        conclude(house, made, replace(seen, note=seen.note or TAKEN_OVER))
    if seen.asked is not None:
        raise seen.asked
