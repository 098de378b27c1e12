"""Jobs on a real engine: one at a time, in time, and beside a release."""

from __future__ import annotations

import json
import os
import shlex
import signal
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.e2e.operator import interrupt, running_beside

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

    from tests.e2e.operator import Operator

SWEEP = (
    'echo sweeping $WORD in $SERVICE_VERSION; until [ -e "/data/$0" ]; do sleep 0.1; done; exit 3'
)


def records(operator: Operator, job: str) -> list[dict[str, Any]]:
    """Return what runs of a job have left."""
    file = operator.folder / "reports" / "jobs" / f"{job}.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()]


def runs_of(operator: Operator) -> list[str]:
    """Return the containers of jobs and their locks."""
    return [
        name for name in operator.containers(running=False) if "-run-" in name or ".job" in name
    ]


def listed(operator: Operator) -> list[dict[str, Any]]:
    """Return what `jobs list` says."""
    rows = operator.run("jobs", "list", "--user", "--output", "json").document["jobs"]
    return list(rows)


@contextmanager
def run_by_timer(operator: Operator, job: str) -> Iterator[subprocess.Popen[str]]:
    """Run a job as systemd does: by the unit that is written, with nothing else in the environment."""
    prefix = operator.environment.get("IMAGE_PREFIX", "")
    (operator.folder / ".env").write_text(f"IMAGE_PREFIX={prefix}\n")
    operator.environment["XDG_CONFIG_HOME"] = str(operator.folder / "config")
    operator.run("jobs", "install", "--user")  # whether there is a systemd or not
    folder = operator.folder / "config" / "systemd" / "user"
    unit = (folder / f"stackctl-{operator.name}-{job}.service").read_text()
    said = [line.partition("=") for line in unit.splitlines() if "=" in line and line[0] != "#"]
    pairs = [shlex.split(value)[0].partition("=") for key, _, value in said if key == "Environment"]
    told = {key: value for key, _, value in said}
    around = {"PATH": os.defpath, **{name: value for name, _, value in pairs}}
    place = Path(told["WorkingDirectory"])
    with running_beside(shlex.split(told["ExecStart"]), place, around) as process:
        yield process
    assert {"job": job, "installed": True} in [
        {key: row[key] for key in ("job", "installed")} for row in listed(operator)
    ]
    assert operator.run("jobs", "remove", "--user").code in (0, 1)
    assert list(folder.glob("*.*")) == []


def write_jobs(operator: Operator) -> None:
    """Write a stack.yaml whose jobs go on until somebody makes a file."""
    operator.write_stack({"env": {"WORD": "there"}, "volumes": ["data:/data"], "user": "10001"})
    job = {"service": "app", "schedule": "15 3 * * *"}
    short = {"timeout": "1s", "command": ["sh", "-c", "trap '' TERM; echo late; sleep 600"]}
    sweep = {"command": ["sh", "-c", SWEEP, "end"], "resources": {"memory": "64m"}}
    operator.write({**operator.read(), "jobs": {"sweep": job | sweep, "short": job | short}})


def test_a_job_runs_beside_a_release_and_leaves_a_record(operator: Operator) -> None:
    """It ends on the version that it began on; a second one is told; a kill is made up for."""
    write_jobs(operator)
    operator.up()
    with run_by_timer(operator, "sweep") as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "sweeping there in v1\n"
        (row,) = (row for row in listed(operator) if row["running"])
        assert (row["job"], row["run"]["version"]) == ("sweep", "v1")
        text = operator.run("jobs", "list").stdout
        assert f"runs since {row['run']['since']}" in text
        second = operator.run("run", "--job", "sweep")
        assert (second.code, "holds the lock of `sweep` since" in second.stderr) == (5, True)
        assert operator.deploy("v2").code == 0
        assert operator.run("prune", "--keep", "1").code == 0
        assert running.poll() is None
        assert operator.run("exec", "app", "--", "touch", "/data/end").code == 0
        assert running.wait(60) == 3
    (record,) = records(operator, "sweep")
    assert (record["outcome"], record["exit_code"], record["version"]) == ("failed", 3, "v1")
    assert record["output"] == ["sweeping there in v1"]
    assert runs_of(operator) == []
    assert [row["running"] for row in listed(operator)] == [False, False]

    assert operator.run("exec", "app", "--", "rm", "/data/end").code == 0
    with operator.running("run", "--job", "sweep") as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "sweeping there in v2\n"
        killed.send_signal(signal.SIGKILL)
    assert operator.run("exec", "app", "--", "touch", "/data/end").code == 0
    after = operator.run("run", "--job", "sweep", "--wait", "60", "--output", "json")
    assert (after.code, after.document["version"]) == (3, "v2")
    assert [each["exit_code"] for each in records(operator, "sweep")] == [3, 3, 3]
    assert "died" in records(operator, "sweep")[1]["note"]
    assert runs_of(operator) == []


def test_a_job_that_is_to_end_ends(operator: Operator) -> None:
    """Once its time is up, and when stackctl is asked to stop."""
    write_jobs(operator)
    operator.up()
    late = operator.run("run", "--job", "short")
    assert (late.code, late.stdout) == (124, "late\n")
    assert "did not end within 1 s" in late.stderr
    assert records(operator, "short")[0]["outcome"] == "timed out"

    with operator.running("run", "--job", "sweep") as asked:
        assert asked.stdout is not None
        assert asked.stdout.readline() == "sweeping there in v1\n"
        code, _, _ = interrupt(asked, signal.SIGTERM)
    assert code == 143
    assert records(operator, "sweep")[0]["outcome"] == "interrupted"
    assert runs_of(operator) == []
