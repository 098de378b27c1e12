"""Every contract test runs twice: on the fake engine and on the real one."""

from __future__ import annotations

import secrets
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from orchestrator.clock import SystemClock
from orchestrator.engine.docker import DockerEngine
from orchestrator.errors import EngineError
from orchestrator.stack import naming
from tests.contract.bench import (
    DONE,
    FAILING,
    HUNGRY,
    NGINX,
    PYTHON,
    SECLUDED,
    TALKING,
    Bench,
    surroundings,
)
from tests.fakes.apps import App
from tests.fakes.clock import FakeClock
from tests.fakes.engine import FakeEngine
from tests.fakes.host import FakeHost
from tests.fakes.images import FakeImages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from orchestrator.engine.ports import Engine


@pytest.fixture(params=["fake", pytest.param("docker", marks=pytest.mark.engine)])
def kind(request: pytest.FixtureRequest) -> str:
    """Return which engine it is."""
    return str(request.param)


@pytest.fixture
def bench(kind: str, tmp_path: Path) -> Iterator[Bench]:
    """Return an engine with a network and an empty stack; all of it is removed afterwards."""
    stack = f"c{secrets.token_hex(4)}"
    if kind == "fake":
        bench = _fake(stack, tmp_path)
    else:
        bench = Bench(DockerEngine(around=surroundings(kind)), SystemClock(), stack, tmp_path)
    try:
        bench.engine.ensure_network(naming.network_name(stack), naming.labels(stack, "gateway"))
        yield bench
    finally:
        remove_everything(bench.engine, stack)


def _fake(stack: str, folder: Path) -> Bench:
    clock = FakeClock()
    host = FakeHost(clock, FakeImages(PYTHON, NGINX))
    host.apps[FAILING[0]] = App(crashes=True)
    host.apps[DONE[0]] = App(ends=0)
    host.apps[HUNGRY[0]] = App(ends=137, out_of_memory=True)
    host.apps[SECLUDED[0]] = App(listens="127.0.0.1")
    host.apps[TALKING[0]] = App(prints=("one", "two", "three"), last_words=("bye",))
    return Bench(FakeEngine(host), clock, stack, folder)


def remove_everything(engine: Engine, stack: str) -> None:
    """Remove what a test has left, as far as that goes."""
    for container in engine.containers(stack):
        engine.remove(container.id, data=True)
    for image in engine.images(stack):
        for reference in image.handles:
            with suppress(EngineError):
                engine.remove_image(reference)
    for volume in engine.volumes(stack):
        engine.remove_volume(volume)
    engine.remove_network(naming.network_name(stack))
