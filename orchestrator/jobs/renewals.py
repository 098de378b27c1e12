"""The timer that has certificates renewed. Pure."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.jobs.timers import Task
from orchestrator.stack.schedule import Schedule, parse_schedule

if TYPE_CHECKING:
    from orchestrator.jobs.timers import Caller

UNIT = "stackctl-{stack}.{job}"  # which no job has: there is a dot in it
NAME = "certs"
GRACE = 60.0  # seconds; NGINX is told of a config, or it is not
HALF_A_DAY = 12 * 60  # minutes


def find_renewal(stack: str) -> Task:
    """Return what renews certificates twice a day, at times that other stacks do not have."""
    number = int.from_bytes(hashlib.sha256(stack.encode()).digest()[:4])
    hour, minute = divmod(number % HALF_A_DAY, 60)
    schedule = parse_schedule(f"{minute} {hour},{hour + 12} * * *")
    assert isinstance(schedule, Schedule)  # noqa: S101  it was written here
    return Task(NAME, f"Certificates of stack {stack}", ("certs", "renew"), schedule, GRACE)


def call_renewal(caller: Caller) -> Caller:
    """Return how a timer of certificates starts stackctl."""
    return replace(caller, by=NAME, unit=UNIT)
