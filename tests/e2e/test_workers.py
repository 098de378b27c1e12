"""Workers on a real engine: a job outlives the release, and what must be alone is."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from orchestrator.engine.docker import DockerEngine
from tests.e2e.operator import describe_app, wait_until

if TYPE_CHECKING:
    from tests.e2e.operator import Operator

WORKER = Path(__file__).parent / "worker"


def write_worker(operator: Operator, **keys: object) -> None:
    """Write a stack.yaml with the test's app and a worker, `queue`."""
    shutil.copytree(WORKER, operator.folder / "worker", dirs_exist_ok=True)
    operator.write_services(
        {
            "app": {**describe_app("/"), "replicas": 1},
            "queue": {
                "build": {"context": "worker", "args": {"IMAGE_PREFIX": "${IMAGE_PREFIX:-}"}},
                "volumes": ["jobs:/jobs"],
                "health": {"steady": "1s"},
                "stop_grace": "20s",
                **keys,
            },
        }
    )


def inside(operator: Operator, script: str) -> str:
    """Run a line of shell in the worker that runs; return what it prints."""
    (name,) = (name for name in operator.containers() if "-queue-" in name)
    return DockerEngine(operator.engine).execute(name, ("sh", "-c", script)).text


def log_of(operator: Operator) -> list[str]:
    """Return what all versions of the worker have done."""
    return inside(operator, "cat /jobs/log").splitlines()


def put_job(operator: Operator, name: str, takes: str) -> None:
    """Give the worker a job, and return once somebody has taken it."""
    inside(operator, f"echo {takes} >/jobs/{name}.new && mv /jobs/{name}.new /jobs/{name}.job")
    wait_until(lambda: any(line.endswith(f" took {name}") for line in log_of(operator)) or None)


def deploy(operator: Operator, version: str) -> tuple[int, dict[str, object]]:
    """Release a version of the worker."""
    done = operator.run("deploy", "queue", "--version", version, "--output", "json")
    return done.code, done.document


def test_a_worker_ends_its_job_across_a_release(operator: Operator) -> None:
    """It has a job when it is asked to end, and does it first; users of the app notice nothing."""
    write_worker(operator)
    operator.up()
    put_job(operator, "mail", "asked 2")
    code, document = deploy(operator, "v2")

    assert (code, document["outcome"]) == (0, "deployed")
    log = log_of(operator)
    assert log.index("v1 took mail") < log.index("v2 began") < log.index("v1 did mail")
    assert log.index("v1 did mail") < log.index("v1 ended")
    assert operator.run("rollback", "queue").code == 0
    put_job(operator, "letter", "0")
    assert "v1 took letter" in log_of(operator)
    status = {service["name"]: service for service in operator.status()["services"]}
    assert (status["queue"]["active"]["version"], status["queue"]["active"]["healthy"]) == ("v1", 1)
    assert operator.serving() == "v1"


def test_a_worker_that_fails_leaves_the_old_one_at_work(operator: Operator) -> None:
    """Its last words are in the result."""
    write_worker(operator)
    operator.up()
    done = operator.run("deploy", "queue", "--version", "sick", "--output", "json")

    assert (done.code, done.document["outcome"]) == (1, "reverted")
    assert "ended with exit code 1" in done.document["error"]["message"]
    assert "cannot reach the queue" in done.stderr
    put_job(operator, "mail", "0")
    assert log_of(operator)[:2] == ["v1 began", "v1 took mail"]


def test_a_pair_that_must_be_alone_is_never_seen_together(operator: Operator) -> None:
    """Through a release, one that fails, and a rollback; for how long nobody worked is told."""
    write_worker(operator, strategy="recreate")
    operator.up()
    put_job(operator, "mail", "2")
    code, document = deploy(operator, "v2")
    assert code == 0
    seconds = document["seconds"]
    assert isinstance(seconds, dict)
    assert 0 < seconds["gap"] < 10
    assert deploy(operator, "sick")[0] == 1
    assert operator.run("rollback", "queue").code == 0

    log = log_of(operator)
    assert not [line for line in log if line.endswith("is not alone")]
    assert [line for line in log if line.endswith((" began", " ended"))] == [
        *("v1 began", "v1 ended", "v2 began", "v2 ended"),
        *("v2 began", "v2 ended", "v1 began"),
    ]
    assert log.index("v1 did mail") < log.index("v2 began")
