"""The lock that frees itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import docker
import pytest

from orchestrator.engine.docker import DockerEngine
from orchestrator.engine.values import ContainerSpec
from orchestrator.errors import Conflict, Interrupted, NotFound
from orchestrator.stack import naming
from tests.contract.bench import PYTHON, Bench

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.engine.ports import Lease

HOLDER = """
import sys
from orchestrator.engine.values import ContainerSpec
from orchestrator.engine.docker import DockerEngine
name, stack, image = sys.argv[1:]
labels = {"io.stackctl.stack": stack, "io.stackctl.role": "lock"}
lease = DockerEngine().hold(ContainerSpec(name, image, labels, None))
print("held", flush=True)
sys.stdin.read()
"""


def lock(bench: Bench) -> ContainerSpec:
    """Return the lock of the stack."""
    labels = naming.labels(bench.stack, "lock", holder="ada")
    return ContainerSpec(bench.name("lock"), PYTHON, labels, None)


def test_only_one_holds_the_lock(bench: Bench) -> None:
    """The second one is told at once; the labels say who has it."""
    lease = bench.engine.hold(lock(bench))
    assert lease.held
    with pytest.raises(Conflict):
        bench.engine.hold(lock(bench))

    (held,) = bench.engine.containers(bench.stack)
    assert held.labels[f"{naming.PREFIX}holder"] == "ada"
    assert lease.held
    lease.release()


def test_a_released_lock_is_free(bench: Bench) -> None:
    """By the time that `release` returns, and doing it twice is fine."""
    lease = bench.engine.hold(lock(bench))
    lease.release()
    lease.release()
    assert not lease.held

    again = bench.engine.hold(lock(bench))
    assert again.held
    again.release()


def test_a_lock_that_was_taken_away_is_not_held(bench: Bench) -> None:
    """Its holder can tell, and stop changing things."""
    lease = bench.engine.hold(lock(bench))
    (held,) = bench.engine.containers(bench.stack)
    bench.engine.remove(held.id)

    assert bench.until(lambda: not lease.held or None)
    lease.release()


def test_a_lock_needs_an_image(bench: Bench) -> None:
    """Without one it is not taken, and nothing is left of the attempt."""
    with pytest.raises(NotFound):
        bench.engine.hold(replace(lock(bench), image="localhost/there-is-none:1"))

    assert bench.names() == []


def test_a_lock_that_was_never_started_goes_to_one_of_those_who_want_it(bench: Bench) -> None:
    """Its taker died in between; at first it might still start it, and later only one gets it."""
    bench.engine.create(lock(bench))
    with pytest.raises(Conflict):
        bench.engine.hold(lock(bench))

    def take() -> Lease | None:
        try:
            return bench.engine.hold(lock(bench))
        except Conflict:
            return None

    with ThreadPoolExecutor() as pool:
        takers = bench.until(lambda: _any(list(pool.map(lambda _: take(), range(4)))))
    (lease,) = takers
    assert lease.held
    with pytest.raises(Conflict):
        bench.engine.hold(lock(bench))
    lease.release()


def _any(leases: list[Lease | None]) -> list[Lease] | None:
    return [lease for lease in leases if lease] or None


class Torn(docker.APIClient):
    """A client whose user presses Ctrl-C just before the lock is started."""

    def start(self, *_: object, **__: object) -> None:
        """Do nothing of it."""
        raise Interrupted(signal.SIGINT)


@pytest.mark.parametrize("kind", [pytest.param("docker", marks=pytest.mark.engine)])
def test_a_signal_while_the_lock_is_taken_leaves_no_lock(bench: Bench) -> None:
    """Whoever comes next has nothing to wait for."""
    with closing(Torn(version="auto")) as client, pytest.raises(Interrupted):
        DockerEngine(client).hold(lock(bench))

    assert bench.names() == []


@pytest.fixture
def holder(bench: Bench) -> Iterator[subprocess.Popen[str]]:
    """Return another process that holds the lock."""
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, bench.name("lock"), bench.stack, PYTHON],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.mark.parametrize("kind", [pytest.param("docker", marks=pytest.mark.engine)])
def test_a_holder_that_is_killed_frees_the_lock(
    bench: Bench, holder: subprocess.Popen[str]
) -> None:
    """By `kill -9`: nobody has to clean up, and nobody has to wait for a timeout."""
    with pytest.raises(Conflict):
        bench.engine.hold(lock(bench))
    holder.send_signal(signal.SIGKILL)

    assert bench.until(lambda: bench.names() == [] or None)
    lease = bench.engine.hold(lock(bench))
    assert lease.held
    lease.release()
