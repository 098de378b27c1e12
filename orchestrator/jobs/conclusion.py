"""The end of a run of a job: its record, and then the end of its container.

Until the record is written, the container tells all that it needs. So what a stackctl leaves that dies is
recorded later.
"""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

from orchestrator.errors import Interrupted, LockedError
from orchestrator.events import Warned
from orchestrator.jobs.record import LINES, JobRun, Outcome, add_run, cut_output, list_runs
from orchestrator.release.lock import hold_lock
from orchestrator.release.observe import is_ours
from orchestrator.signals import put_off
from orchestrator.stack import naming
from orchestrator.stack.forms import NAME

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestrator.engine.values import Container
    from orchestrator.release.house import House

DIED = "the stackctl that began it died"
SINCE, HOLDER, HOST = (naming.PREFIX + word for word in ("since", "holder", "host"))


@dataclass(frozen=True)
class Seen:
    """How a run ended."""

    outcome: Outcome | None  # None: as its exit code says
    note: str = ""
    asked: Interrupted | None = None
    witnessed: bool = True  # somebody saw it end


def record_left(house: House) -> tuple[str, ...]:
    """Record the runs that have ended, and whose stackctl did not live to see it; return what was removed.

    Whatever still runs is left to the next run of its job.
    """
    removed = []
    for name in sorted(
        {one.labels[naming.JOB] for one in list_containers(house) if not one.running}
    ):
        with suppress(LockedError), hold_lock(house, f"the record of `{name}`", job=name):
            for left in list_containers(house):
                if left.labels[naming.JOB] == name and not left.running:
                    conclude_left(house, left)
                    removed.append(left.name)
    return tuple(removed)


def conclude_left(house: House, left: Container) -> None:
    """Record a run that does not run any more, and that nobody has seen the end of."""
    begun = left.state != "created"
    seen = Seen(None, DIED, witnessed=False) if begun else Seen("not started", DIED)
    with put_off():
        run = conclude(house, describe_run(left.labels, left.image, left.id), seen)
    house.emit(Warned(f"a run of the job `{run.job}` was left, and is recorded now: {run.told}"))


def conclude(house: House, made: JobRun, seen: Seen) -> JobRun:
    """Record a run, and then remove its container."""
    found = find_container(house, made.container)
    run = replace(made, note=seen.note, end=tell_time(house) if seen.witnessed else "")
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


def describe_run(labels: Mapping[str, str], image: str, container: str) -> JobRun:
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


def list_containers(house: House) -> list[Container]:
    """Return the containers of jobs."""
    return [
        one
        for one in house.engine.containers(house.stack.name)
        if one.labels.get(naming.ROLE) == "run"
        and re.fullmatch(NAME, one.labels.get(naming.JOB, ""))
        and is_ours(one)
    ]


def find_container(house: House, container: str) -> Container | None:
    """Return a container of a job by its id; None where it is gone."""
    return next((one for one in list_containers(house) if one.id == container), None)


def tell_time(house: House) -> str:
    """Return what time it is, as records have it."""
    return house.clock.now().isoformat(timespec="seconds")


def find_age(house: House, since: str) -> float:
    """Return the seconds since a time; none where it is no time."""
    try:
        return (house.clock.now() - datetime.fromisoformat(since)).total_seconds()
    except (ValueError, TypeError):  # a label that somebody else wrote
        return 0.0
