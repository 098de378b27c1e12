"""What the contract tests work with: an engine, be it real or not, and names that nobody else has."""

from __future__ import annotations

import io
import os
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from orchestrator.clock import Clock, poll
from orchestrator.engine.buildkit import find_builder
from orchestrator.engine.endpoint import find_endpoint
from orchestrator.engine.values import BuildOrder, Container, ContainerSpec, Volume
from orchestrator.stack import naming
from orchestrator.stack.load import load_variables

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from orchestrator.engine.ports import Engine

Answer = TypeVar("Answer")
PREFIX = load_variables(Path(__file__).parents[2] / "stack.yaml").get("IMAGE_PREFIX", "")
PYTHON = f"{PREFIX}python:3.13-slim"
NGINX = f"{PREFIX}nginx:1.30"
NOBODY = "65534:65534"
DATA = "/data"
SLEEPER = ("sleep", "600")
FAILING = ("false",)
DONE = ("true",)
# The first word is the program's name, by which the fake knows how it behaves.
HUNGRY = ("nice", "python", "-c", "b'x' * 1024**3")  # it wants more than it may have
SECLUDED = ("env", "python", "-m", "http.server", "8000", "--bind", "127.0.0.1")
TALKING = (
    "sh",
    "-c",
    "trap 'echo bye; exit' TERM; echo one; echo two; echo three; while :; do sleep 0.05; done",
)


@dataclass(frozen=True)
class Bench:
    """An engine with a stack of its own on it."""

    engine: Engine
    clock: Clock
    stack: str
    folder: Path

    def name(self, part: str) -> str:
        """Return a name that only this test has."""
        return naming.part_name(self.stack, part)

    def spec(self, part: str, entrypoint: tuple[str, ...] = SLEEPER, **more: Any) -> ContainerSpec:
        """Return a small container, hardened as a release's are."""
        facts: dict[str, Any] = {
            "network": naming.network_name(self.stack),
            "user": NOBODY,
            "read_only": True,
            "memory": 64 * 1024**2,
            "cpus": 0.5,
            "pids": 64,
            **more,
        }
        labels = naming.labels(self.stack, "service", service="app", version="v1")
        facts.setdefault("image", PYTHON)
        return ContainerSpec(name=self.name(part), labels=labels, entrypoint=entrypoint, **facts)

    def run(self, part: str, entrypoint: tuple[str, ...] = SLEEPER, **more: Any) -> str:
        """Run a container; return its id."""
        return self.engine.run(self.spec(part, entrypoint, **more))

    def volume(self, part: str = "data") -> Volume:
        """Make a volume, to be mounted at /data."""
        name = self.name(part)
        self.engine.ensure_volume(name, naming.labels(self.stack, "service"))
        return Volume(name, DATA)

    def look(self, container: str) -> Container:
        """Return a container as the engine lists it."""
        return next(c for c in self.engine.containers(self.stack) if c.id == container)

    def names(self) -> list[str]:
        """Return the names of all containers of the stack."""
        return sorted(container.name for container in self.engine.containers(self.stack))

    def until(self, check: Callable[[], Answer | None]) -> Answer:
        """Return the first answer of a check that is one; none within 20 s fails the test."""
        answer = poll(check, clock=self.clock, every=0.05, within=20)
        assert answer is not None, "it did not come to pass"
        return answer


def surroundings(kind: str) -> Mapping[str, str]:
    """Return the environment in which images are built by whom the test wants."""
    if kind == "classic":
        return {**os.environ, "DOCKER_BUILDKIT": "0"}
    if kind != "buildkit":
        return os.environ
    endpoint = find_endpoint(os.environ, Path.home())
    order = BuildOrder(Path(), "", "", {}, {})
    for folder in os.environ["PATH"].split(os.pathsep):
        around = {**os.environ, "PATH": folder, "DOCKER_BUILDKIT": "1"}
        if find_builder(endpoint, order, around).cli is not None:
            return around
    pytest.skip("no Docker CLI here has BuildKit")


def archive(*files: tuple[str, str], links: tuple[tuple[str, str], ...] = ()) -> bytes:
    """Return a tar archive of files with their text, and of links with their targets."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in {str(Path(name).parent) for name, _ in files} - {"."}:
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for name, text in files:
            entry = tarfile.TarInfo(name)
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
        for name, target in links:
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            tar.addfile(entry)
    return buffer.getvalue()
