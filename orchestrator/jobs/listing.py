"""The jobs of a stack, as they are listed: when each runs, whether it runs now, and what came of it last."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orchestrator.jobs.conclusion import describe_run, list_containers
from orchestrator.jobs.installation import list_own
from orchestrator.jobs.record import list_runs
from orchestrator.jobs.timers import NAME

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.jobs.installation import Place
    from orchestrator.jobs.record import JobRun
    from orchestrator.jobs.timers import Caller
    from orchestrator.release.house import House
    from orchestrator.stack.job import Job
    from orchestrator.stack.model import Stack

Running = dict[str, dict[str, str]]  # since when, where and by whom, by the name of the job


def find_running(house: House) -> Running:
    """Return the jobs that run now. Raises EngineError."""
    return {
        run.job: {
            "since": run.begin,
            "service": run.service,
            "version": run.version,
            "operator": run.operator,
            "host": run.host,
        }
        for run in (
            describe_run(one.labels, one.image, one.id)
            for one in list_containers(house)
            if one.running
        )
    }


def list_jobs(
    stack: Stack,
    place: Place,
    caller: Caller,
    reports: Path,
    running: Running | None,
    now: datetime | None = None,
) -> list[dict[str, Any]]:
    """Return each job with its next time, by this machine's clock, and its last run by the reports.

    `running` is None where nobody knows. `told` has the words for people. Raises StackctlError.
    """
    now = (now or datetime.now(UTC)).astimezone()
    timers = {path.name for path in list_own(place, stack.name, caller)}
    rows, nothing = [], "unknown" if running is None else "-"
    for name, job in stack.jobs.items():
        installed = f"{NAME.format(stack=stack.name, job=name)}.timer" in timers
        then = job.schedule.find_next(now) if job.schedule and installed else None
        last = next(reversed(list_runs(reports, name)), None)
        run = None if running is None else running.get(name)
        rows.append(
            {
                "job": name,
                "service": job.service,
                "schedule": job.schedule and job.schedule.written,
                "installed": installed,
                "next": then and then.isoformat(timespec="minutes"),
                "running": None if running is None else run is not None,
                "run": run,
                "last": last and asdict(last),
                "told": {
                    "job": name,
                    "now": f"runs since {run['since']}" if run else nothing,
                    **_tell(job, then, last),
                },
            }
        )
    return rows


def _tell(job: Job, then: datetime | None, last: JobRun | None) -> dict[str, str]:
    return {
        "service": job.service,
        "schedule": job.schedule.written if job.schedule else "by hand",
        "next": f"{then:%Y-%m-%d %H:%M}" if then else "no timer",
        "last": f"{last.begin} {last.told}" if last else "never",
    }
