"""What runs of jobs leave: a line of JSON each in `reports/jobs/NAME.jsonl`, the newest last.

A checkout may bring such a file, so what is read is taken for text, and what is no record is passed over.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, get_args

from orchestrator.errors import StackctlError
from orchestrator.reports import make_folder, read_own, replace_own

if TYPE_CHECKING:
    from pathlib import Path

KEPT = 100  # runs of each job
LARGEST = 4 * 1024**2  # bytes of a file of records
TIMED_OUT = 124  # exit code, as `timeout` of coreutils has it
LINES, WIDEST = 40, 400  # of the output that a record holds

Outcome = Literal["done", "failed", "timed out", "interrupted", "removed", "not started"]


@dataclass(frozen=True)
class JobRun:
    """One run of a job, as it was recorded."""

    job: str
    outcome: Outcome
    exit_code: int | None = None  # None: it did not run, or nobody could see
    note: str = ""  # what is to be known beside that
    begin: str = ""  # in UTC, as ISO 8601 has it
    end: str = ""  # empty where nobody saw it end
    service: str = ""
    version: str = ""
    image: str = ""  # its id
    container: str = ""  # its id
    operator: str = ""
    host: str = ""
    output: tuple[str, ...] = ()  # the last lines

    @property
    def code(self) -> int:
        """Return the exit code that stands for it: the command's own, where it ended by itself."""
        if self.outcome == "timed out":
            return TIMED_OUT
        return (self.exit_code or 0) if self.outcome in ("done", "failed") else 1

    @property
    def told(self) -> str:
        """Say in a few words what came of it."""
        code = f" with {self.exit_code}" if self.outcome == "failed" else ""
        return f"{self.outcome}{code}" + (f": {self.note}" if self.note else "")


def list_runs(reports: Path, job: str) -> list[JobRun]:
    """Return the runs of a job that left a record, the newest last. Raises StackctlError."""
    return [run for run in map(_parse, _read_lines(reports, job)) if run is not None]


def add_run(reports: Path, run: JobRun) -> None:
    """Add a record; the oldest go. Raises StackctlError where it cannot be written."""
    lines = _read_lines(reports, run.job)[-(KEPT - 1) :]
    lines.append(json.dumps(asdict(run), ensure_ascii=False))
    path = _find_file(reports, run.job)
    try:
        make_folder(path.parent, there=True)
        replace_own(path, "".join(f"{line}\n" for line in lines).encode(errors="replace"))
    except OSError as error:
        raise StackctlError(
            f"`{path}` cannot be written: {error.strerror}",
            "mend that; the next run of the job records this one as well",
        ) from error


def cut_output(text: str) -> tuple[str, ...]:
    """Return the last lines of what was printed, none of them long."""
    return tuple(line[:WIDEST] for line in text.splitlines()[-LINES:])


def _find_file(reports: Path, job: str) -> Path:
    return reports / "jobs" / f"{job}.jsonl"


def _read_lines(reports: Path, job: str) -> list[str]:
    path = _find_file(reports, job)
    try:
        return read_own(path, LARGEST).decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StackctlError(
            f"`{path}` cannot be read: {error.strerror}", "mend its rights, or move it away"
        ) from error


def _parse(line: str) -> JobRun | None:
    """Return a record; None where the line is none."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("outcome") not in get_args(Outcome):
        return None
    code, output = found.get("exit_code"), found.get("output")
    words: dict[str, Any] = {
        field.name: found[field.name]
        for field in fields(JobRun)
        if isinstance(found.get(field.name), str)
    }
    if "job" not in words:
        return None
    return JobRun(
        **words,
        exit_code=code if isinstance(code, int) else None,
        output=tuple(map(str, output)) if isinstance(output, list) else (),
    )
