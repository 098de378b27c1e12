"""What calls jobs: units of systemd, or lines for a crontab. Pure."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from orchestrator.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from orchestrator.stack.model import Stack
    from orchestrator.stack.schedule import Schedule

# Of the environment, what a timer needs to find stackctl and the same engine; none of it is secret.
HANDED_ON = (
    *("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY"),
    *("PYTHONPATH", "STACKCTL_ALLOW_OUTSIDE", "STACKCTL_ALLOW_SECRETS_COMMAND"),
    "STACKCTL_REPORTS",
)
MARK = "# Written by `stackctl jobs install` for "
NAME = "stackctl-{stack}-{job}"
BEGIN, END = "# stackctl jobs of {}: begin", "# stackctl jobs of {}: end"
CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Caller:
    """How a timer starts stackctl."""

    program: tuple[str, ...]  # with absolute paths
    file: Path  # stack.yaml
    environment: Mapping[str, str] = field(default_factory=dict)

    def command(self, job: str) -> tuple[str, ...]:
        """Return the command line of a job."""
        return (*self.program, "--file", str(self.file), "run", "--job", job)

    @property
    def mark(self) -> str:
        """Return the line by which a file is known to be ours, and to be of this stack.yaml."""
        return f"{MARK}{self.file}"


def list_scheduled(stack: Stack) -> dict[str, Schedule]:
    """Return the jobs that a timer calls."""
    return {name: job.schedule for name, job in stack.jobs.items() if job.schedule is not None}


def write_units(stack: Stack, caller: Caller) -> dict[str, str]:
    """Return the units of systemd by the names of their files. Raises ConfigurationError."""
    refuse_controls(caller)
    units = {}
    for job, schedule in list_scheduled(stack).items():
        name = NAME.format(stack=stack.name, job=job)
        units[f"{name}.service"] = _write_service(stack, job, caller)
        units[f"{name}.timer"] = _write_timer(stack, job, schedule, caller)
    return units


def write_crontab(stack: Stack, caller: Caller) -> str:
    """Return lines for a crontab. Raises ConfigurationError."""
    refuse_controls(caller)
    setting = [f"{name}={shlex.quote(value)}" for name, value in caller.environment.items()]
    lines = [BEGIN.format(caller.file)]
    for job, schedule in list_scheduled(stack).items():
        folder = shlex.quote(str(caller.file.parent))
        command = " ".join(["cd", folder, "&&", *setting, shlex.join(caller.command(job))])
        lines.append(f"{schedule.written} " + command.replace("%", r"\%"))  # else a line break
    return "\n".join([*lines, END.format(caller.file)]) + "\n"


def refuse_controls(caller: Caller) -> None:
    """Raise ConfigurationError for what would begin a line of its own in a unit or a crontab."""
    for what in (*caller.command(""), *caller.environment.values()):
        if CONTROLS.search(what):
            raise ConfigurationError(
                "a path or a variable that the timer needs has a line break in it",
                f"it is stack.yaml's path, that of stackctl, or one of {', '.join(HANDED_ON)}",
            )


def _write_service(stack: Stack, job: str, caller: Caller) -> str:
    environment = [
        f"Environment={_quote(f'{name}={value}')}" for name, value in caller.environment.items()
    ]
    first, *rest = caller.command(job)
    command = " ".join([_quote(first), *(_quote(word).replace("$", "$$") for word in rest)])
    return "\n".join(
        [
            caller.mark,
            "# What is changed here is lost when it is written again.",
            "[Unit]",
            f"Description=Job {job} of stack {stack.name}",
            "After=docker.service",
            "",
            "[Service]",
            "Type=oneshot",
            f"WorkingDirectory={str(caller.file.parent).replace('%', '%%')}",
            *environment,
            f"ExecStart={command}",
            "# `systemctl stop` asks stackctl, which stops the job; it may take its `stop_grace`.",
            "KillMode=mixed",
            f"TimeoutStopSec={round(stack.services[stack.jobs[job].service].stop_grace) + 30}",
            "",
        ]
    )


def _write_timer(stack: Stack, job: str, schedule: Schedule, caller: Caller) -> str:
    return "\n".join(
        [
            caller.mark,
            "# What is changed here is lost when it is written again.",
            "[Unit]",
            f"Description=Job {job} of stack {stack.name}: {schedule.written}",
            "",
            "[Timer]",
            f"OnCalendar={schedule.to_calendar()}",
            "AccuracySec=1s",
            "# A run that was missed, while the machine was off, is made up for once.",
            "Persistent=true",
            "",
            "[Install]",
            "WantedBy=timers.target",
            "",
        ]
    )


def _quote(word: str) -> str:
    """Write a word as systemd reads it back."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"'
