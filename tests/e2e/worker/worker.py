"""A worker that takes its jobs from a folder that all of its versions share, and writes what it did.

A job is a file `<name>.job` with the seconds that it takes. With the word `asked` before them they begin
with a SIGTERM. At a SIGTERM the worker ends the job that it has taken, and goes. It writes so where
another one is at work. A version `sick…` ends at its start.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from pathlib import Path

VERSION = os.environ.get("SERVICE_VERSION", "dev")
JOBS = Path("/jobs")
ASKED: list[int] = []


def note(text: str) -> None:
    """Add a line to what all versions have done."""
    with (JOBS / "log").open("a") as log:
        log.write(f"{VERSION} {text}\n")


def take_job() -> Path | None:
    """Take a job; None where there is none, or another one was quicker."""
    for job in sorted(JOBS.glob("*.job")):
        taken = job.with_suffix(f".{VERSION}")
        try:
            job.rename(taken)
        except FileNotFoundError:
            continue
        return taken
    return None


def main() -> None:
    """Work until somebody asks for an end."""
    if VERSION.startswith("sick"):
        sys.exit("cannot reach the queue")
    signal.signal(signal.SIGTERM, lambda number, _: ASKED.append(number))
    with (JOBS / "alone").open("w") as alone:
        try:
            fcntl.flock(alone, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            note("is not alone")
        note("began")
        while not ASKED:
            job = take_job()
            if job is None:
                time.sleep(0.05)  # noqa: TID251  the folder is looked at now and then
                continue
            note(f"took {job.stem}")
            *when, seconds = job.read_text().split()
            while when and not ASKED:
                time.sleep(0.05)  # noqa: TID251  as above
            until = time.monotonic() + float(seconds)
            while time.monotonic() < until:
                time.sleep(0.05)  # noqa: TID251  taking long is what it is for
            note(f"did {job.stem}")
        note("ended")


main()
