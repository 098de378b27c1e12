"""The jobs of a stack, as they are listed: when each runs, and what came of it last."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orchestrator.jobs.installation import list_own
from orchestrator.jobs.record import list_runs
from orchestrator.jobs.timers import NAME

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.jobs.installation import Place
    from orchestrator.jobs.timers import Caller
    from orchestrator.stack.model import Stack


def list_jobs(
    stack: Stack, place: Place, caller: Caller, reports: Path, now: datetime | None = None
) -> list[dict[str, Any]]:
    """Return each job with its next time, where there is a timer, and its last run by the reports.

    `told` has the words for people. Times are the machine's own. Raises StackctlError.
    """
    now = (now or datetime.now(UTC)).astimezone()
    timers = {path.name for path in list_own(place, stack.name, caller)}
    rows = []
    for name, job in stack.jobs.items():
        installed = f"{NAME.format(stack=stack.name, job=name)}.timer" in timers
        then = job.schedule.find_next(now) if job.schedule and installed else None
        last = next(reversed(list_runs(reports, name)), None)
        rows.append(
            {
                "job": name,
                "service": job.service,
                "schedule": job.schedule and job.schedule.written,
                "installed": installed,
                "next": then and then.isoformat(timespec="minutes"),
                "last": last and asdict(last),
                "told": {
                    "job": name,
                    "service": job.service,
                    "schedule": job.schedule.written if job.schedule else "by hand",
                    "next": f"{then:%Y-%m-%d %H:%M}" if then else "no timer",
                    "last": f"{last.begin} {last.told}" if last else "never",
                },
            }
        )
    return rows
