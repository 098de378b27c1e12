"""What a user can type: one module a command, each a thin function that loads, calls and prints.

Their imports are late: `stackctl --help` must not wait for the Docker SDK.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from orchestrator.commands import (
    backup,
    bench,
    certs,
    deploy,
    doctor,
    down,
    drill,
    evidence,
    execute,
    history,
    init,
    jobs,
    logs,
    pause,
    plan,
    prune,
    render,
    restart,
    rollback,
    run,
    scale,
    schema,
    status,
    up,
    validate,
)


class Command(NamedTuple):
    """A command's function and its name."""

    run: Callable[..., int]
    options: dict[str, Any]


COMMANDS = tuple(
    Command(function, {"name": name})
    for name, function in (
        ("init", init.init),
        ("up", up.up),
        ("deploy", deploy.deploy),
        ("rollback", rollback.rollback),
        ("restart", restart.restart),
        ("scale", scale.scale),
        ("pause", pause.pause),
        ("resume", pause.resume),
        ("status", status.status),
        ("plan", plan.plan),
        ("validate", validate.validate),
        ("render", render.render),
        ("schema", schema.schema),
        ("logs", logs.logs),
        ("exec", execute.execute),
        ("run", run.run),
        ("jobs", jobs.jobs),
        ("backup", backup.backup),
        ("certs", certs.certs),
        ("history", history.history),
        ("evidence", evidence.evidence),
        ("doctor", doctor.doctor),
        ("bench", bench.bench),
        ("drill", drill.drill),
        ("prune", prune.prune),
        ("down", down.down),
    )
)
