"""An operator for each test, on the real engine; names and ports are unique to the run."""

from __future__ import annotations

import secrets
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from orchestrator.engine.docker import DockerEngine
from orchestrator.engine.values import BuildOrder
from orchestrator.errors import EngineError
from orchestrator.stack import naming
from orchestrator.stack.load import load_variables
from tests.e2e.operator import APP, REPOSITORY, Operator
from tests.e2e.package import STRAY, Package, build, commit, copy_sources, forbid_writing, install
from tests.hostile.outside import Outside, going_outside

if TYPE_CHECKING:
    from collections.abc import Iterator


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here: it needs an engine."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker("engine")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> object:
    """Print the containers' logs under a failed test."""
    report = yield
    if call.when == "call" and call.excinfo is not None:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, Operator):
                value.print_logs()
    return report


@pytest.fixture(scope="session")
def layers() -> Iterator[None]:
    """Keep what images of the app have in common, which goes with the last one that has it.

    The engine's own builder makes a container for each line and for each label that it does not know, in
    the order of their names; the labels that come first are no stack's own.
    """
    engine = DockerEngine()
    prefix = load_variables(REPOSITORY / "stack.yaml").get("IMAGE_PREFIX", "")
    common = {naming.ROLE: "service", naming.SERVICE: "app"}
    tags = {version: f"layers-{secrets.token_hex(3)}:{version}" for version in ("v1", "v2", "v3")}
    try:
        for version, tag in tags.items():
            arguments = {"IMAGE_PREFIX": prefix, "VERSION": version}
            engine.build(BuildOrder(APP, "Dockerfile", tag, arguments, common), lambda _: None)
        yield
    finally:
        for tag in tags.values():
            with suppress(EngineError):
                engine.remove_image(tag)


@pytest.fixture
def operator(tmp_path: Path, layers: None) -> Iterator[Operator]:  # noqa: ARG001
    """Somebody with a folder of their own; their stack is removed afterwards."""
    somebody = Operator(tmp_path, f"t{secrets.token_hex(3)}")
    try:
        yield somebody
    finally:
        somebody.remove_everything()


@pytest.fixture
def app(operator: Operator) -> Operator:
    """Somebody whose app serves version v1."""
    operator.write_stack()
    operator.up()
    assert operator.serving() == "v1"
    return operator


@pytest.fixture(scope="module")
def outside() -> Iterator[Outside]:
    """Return a machine that reaches this one by a link of its own."""
    with going_outside() as place:
        subprocess.run(place.within("ip", "link", "set", "lo", "up"), check=True)
        yield place


@pytest.fixture(scope="session")
def package(tmp_path_factory: pytest.TempPathFactory) -> Package:
    """Return what is built of the sources, and of files among them that do not belong there."""
    sources = copy_sources(tmp_path_factory.mktemp("sources"))
    for name in STRAY:
        (sources / name).parent.mkdir(exist_ok=True)
        (sources / name).write_text("stray")
    commit(sources)
    return build(sources, tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="session")
def program(package: Package, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return `stackctl` in an environment that has nothing else, and that is only to be read."""
    place = tmp_path_factory.mktemp("environment") / "environment"
    program = install(package.wheel, place)
    forbid_writing(place)
    yield program
    forbid_writing(place, mode=0o755)
