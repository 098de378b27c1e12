"""Images on their way: built here for another engine, and back from a registry."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

import docker
import pytest

from tests.contract.registry import Registry
from tests.e2e.operator import STACKCTL
from tests.faults.own_engine import OwnEngine

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.operator import Operator


@pytest.mark.skipif(os.geteuid() != 0, reason="an engine of one's own takes root")
def test_what_is_built_here_is_released_on_another_engine(
    operator: Operator, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Which has no base image to build it from; with the same image, and no request is lost."""
    operator.write_stack()
    prefix = operator.environment.get("IMAGE_PREFIX", "")
    folder: Path = tmp_path_factory.mktemp("own")
    with (
        OwnEngine(folder, [f"{prefix}nginx:1.30"], apart=True) as own,
        closing(docker.APIClient(base_url=own.address, version="auto")) as there,
    ):
        operator.stackctl = own.within(*STACKCTL)
        operator.environment["DOCKER_HOST"] = own.address
        first = operator.deploy("v1", "--up", "--build-here")
        assert first.code == 0, first.stderr
        done = operator.deploy("v2", "--build-here")

        assert done.code == 0, done.stderr
        assert (done.document["outcome"], done.document["witness"]["lost"]) == ("deployed", 0)
        assert done.document["witness"]["sent"] > 0
        tag = f"{operator.name}-app:v2"
        built = operator.engine.inspect_image(tag)["Id"]  # type: ignore[no-untyped-call]
        assert there.inspect_container(f"{operator.name}-app-green-1")["Image"] == built
        assert there.images(f"{prefix}python") == []
        assert operator.containers(running=False) == []


def test_a_rollback_has_its_image_from_the_registry(operator: Operator) -> None:
    """Where the engine has neither containers nor image of that version any more."""
    with Registry() as registry:
        repository = f"{registry.address}/team"
        operator.write_stack({"keep": "removed"})
        operator.write({**operator.read(), "registry": {"repository": repository}})
        operator.up()
        assert operator.deploy("v2").code == 0
        for tag in (f"{operator.name}-app:v1", f"{repository}/{operator.name}-app:v1"):
            operator.engine.remove_image(tag)
        done = operator.run("rollback", "app", "--to", "v1", "--output", "json")

        assert done.code == 0, done.stderr
        assert (done.document["outcome"], done.document["witness"]["lost"]) == ("deployed", 0)
        assert operator.serving() == "v1"
        digest = registry.digest(f"team/{operator.name}-app", "v1")
        found = operator.evidence(done)["image"]["registry"]
        assert found == f"{repository}/{operator.name}-app@{digest}"
