"""What calls stackctl at its times: units of systemd, or lines for a crontab. Pure."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from orchestrator.stack.model import Stack
    from orchestrator.stack.schedule import Schedule

# Of the environment, what a timer needs to find stackctl and the same engine; none of it is secret.
HANDED_ON = (
    *("DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY"),
    *("PYTHONPATH", "STACKCTL_ALLOW_OUTSIDE", "STACKCTL_ALLOW_SECRETS_COMMAND"),
    *("STACKCTL_ALLOW_DNS_COMMAND",),
    *("STACKCTL_REPORTS", "STACKCTL_CERTIFICATES", "SSL_CERT_FILE"),
)
NAME = "stackctl-{stack}-{job}"
CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Caller:
    """How a timer starts stackctl."""

    program: tuple[str, ...]  # with absolute paths
    file: Path  # stack.yaml
    environment: Mapping[str, str] = field(default_factory=dict)
    by: str = "jobs"  # the command that writes the timers
    unit: str = NAME  # how these are called

    def command(self, *words: str) -> tuple[str, ...]:
        """Return a command line."""
        return (*self.program, "--file", str(self.file), *words)

    @property
    def hand(self) -> str:
        """Return how the first line of a file begins that this command has written."""
        return f"# Written by `stackctl {self.by} install` for "

    @property
    def mark(self) -> str:
        """Return the line by which a file is known to be ours, and to be of this stack.yaml."""
        return f"{self.hand}{self.file}"


class Task(NamedTuple):
    """What a timer calls."""

    name: str
    title: str
    words: tuple[str, ...]  # of the command line
    schedule: Schedule
    grace: float  # seconds that it may take to stop


def list_scheduled(stack: Stack) -> dict[str, Schedule]:
    """Return the jobs that a timer calls."""
    return {name: job.schedule for name, job in stack.jobs.items() if job.schedule is not None}


def list_tasks(stack: Stack) -> list[Task]:
    """Return what the timers of a stack's jobs call."""
    return [
        Task(
            name,
            f"Job {name} of stack {stack.name}",
            ("run", "--job", name),
            schedule,
            stack.services[stack.jobs[name].service].stop_grace,
        )
        for name, schedule in list_scheduled(stack).items()
    ]


def write_units(stack: str, tasks: Iterable[Task], caller: Caller) -> dict[str, str]:
    """Return the units of systemd by the names of their files. Raises ConfigurationError."""
    refuse_controls(caller)
    units = {}
    for task in tasks:
        name = caller.unit.format(stack=stack, job=task.name)
        units[f"{name}.service"] = _write_service(task, caller)
        units[f"{name}.timer"] = _write_timer(task, caller)
    return units


def write_crontab(tasks: Iterable[Task], caller: Caller) -> str:
    """Return lines for a crontab. Raises ConfigurationError."""
    refuse_controls(caller)
    setting = [f"{name}={shlex.quote(value)}" for name, value in caller.environment.items()]
    about = f"# stackctl {caller.by} of {caller.file}"
    lines = [f"{about}: begin"]
    for task in tasks:
        folder = shlex.quote(str(caller.file.parent))
        called = shlex.join(caller.command(*task.words))
        command = " ".join(["cd", folder, "&&", *setting, called])
        lines.append(f"{task.schedule.written} " + command.replace("%", r"\%"))  # else a line break
    return "\n".join([*lines, f"{about}: end"]) + "\n"


def refuse_controls(caller: Caller) -> None:
    """Raise ConfigurationError for what would begin a line of its own in a unit or a crontab."""
    for what in (*caller.command(), *caller.environment.values()):
        if CONTROLS.search(what):
            raise ConfigurationError(
                "a path or a variable that the timer needs has a line break in it",
                f"it is stack.yaml's path, that of stackctl, or one of {', '.join(HANDED_ON)}",
            )


def _write_service(task: Task, caller: Caller) -> str:
    environment = [
        f"Environment={_quote(f'{name}={value}')}" for name, value in caller.environment.items()
    ]
    first, *rest = caller.command(*task.words)
    command = " ".join([_quote(first), *(_quote(word).replace("$", "$$") for word in rest)])
    return "\n".join(
        [
            caller.mark,
            "# What is changed here is lost when it is written again.",
            "[Unit]",
            f"Description={task.title}",
            "After=docker.service",
            "",
            "[Service]",
            "Type=oneshot",
            f"WorkingDirectory={str(caller.file.parent).replace('%', '%%')}",
            *environment,
            f"ExecStart={command}",
            "# `systemctl stop` asks stackctl, which stops what it does; a job may take its `stop_grace`.",
            "KillMode=mixed",
            f"TimeoutStopSec={round(task.grace) + 30}",
            "",
        ]
    )


def _write_timer(task: Task, caller: Caller) -> str:
    return "\n".join(
        [
            caller.mark,
            "# What is changed here is lost when it is written again.",
            "[Unit]",
            f"Description={task.title}: {task.schedule.written}",
            "",
            "[Timer]",
            f"OnCalendar={task.schedule.to_calendar()}",
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
