"""A built image reaches a registry and another engine: real engines, and a registry of this machine."""

from __future__ import annotations

import os
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from orchestrator.engine.connection import open_endpoint
from orchestrator.engine.docker import DockerEngine
from orchestrator.engine.endpoint import DEFAULT_HOST, Endpoint
from orchestrator.engine.transfer import bring_image
from orchestrator.engine.values import BuildOrder
from orchestrator.errors import ImageError, NotFound
from orchestrator.stack import naming
from tests.contract.registry import Registry
from tests.faults.own_engine import OwnEngine

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import docker

    from tests.contract.bench import Bench

pytestmark = pytest.mark.engine
LOGIN = ("ada", "correct horse")


@pytest.fixture
def kind() -> str:
    """Return which engine it is: the real one."""
    return "docker"


@pytest.fixture
def registry() -> Iterator[Registry]:
    """Return a registry that lets one user in."""
    with Registry(*LOGIN) as registry:
        yield registry


def order(bench: Bench, registry: Registry | None = None) -> BuildOrder:
    """Return the order to build an image of one file."""
    context = bench.folder / "context"
    context.mkdir(exist_ok=True)
    (context / "file").write_text(bench.stack)
    (context / "Dockerfile").write_text("FROM scratch\nCOPY file /file\n")
    tag = naming.image_tag(bench.stack, "app", "v1")
    labels = naming.labels(bench.stack, "service", service="app", version="v1")
    published = f"{registry.address}/team/{tag}" if registry else ""
    return BuildOrder(context, "Dockerfile", tag, {}, labels, published=published)


def test_an_image_is_pushed_with_the_login_that_is_given(bench: Bench, registry: Registry) -> None:
    """What the registry has then is known by its digest; without the login nothing gets there."""
    wanted = order(bench, registry)
    with pytest.raises(ImageError, match="pushing") as refused:
        bench.engine.build(wanted, lambda _: None)
    assert f"docker login {registry.address}" in str(refused.value.hint)
    assert not registry.manifests

    client = open_endpoint(Endpoint(DEFAULT_HOST), logins={registry.address: LOGIN})
    image = DockerEngine(client).build(wanted, lambda _: None)
    client.close()
    name = f"team/{bench.stack}-app"
    assert image.digests == (f"{registry.address}/{name}@{registry.digest(name, 'v1')}",)


@pytest.mark.skipif(os.geteuid() != 0, reason="an engine of one's own takes root")
def test_an_image_gets_to_another_engine(bench: Bench, registry: Registry, tmp_path: Path) -> None:
    """Over its connection, and only once; or from the registry, by the digest that it has there."""
    told: list[str] = []
    with (
        closing(open_endpoint(Endpoint(DEFAULT_HOST), logins={registry.address: LOGIN})) as here,
        OwnEngine(tmp_path, (), apart=True) as own,
        closing(open_endpoint(Endpoint(own.address))) as there,
    ):
        pushed = order(bench, registry)
        sent = order(bench)
        image = DockerEngine(here).build(pushed, told.append)

        brought = bring_image(here, there, sent, image, told.append)
        assert brought.id == image.id
        assert sent.tag in brought.tags
        assert [line for line in told if line.startswith("sending")]
        told.clear()
        assert bring_image(here, there, sent, image, told.append) == brought
        assert told == []

        _forget(here, pushed)
        pulled = bring_image(there, here, pushed, image, told.append)
        assert pulled.id == image.id
        assert pushed.tag in pulled.tags
        assert not [line for line in told if line.startswith("sending")]
        for name in pulled.handles:
            bench.engine.remove_image(name)
        with pytest.raises(NotFound):
            bench.engine.image(pulled.id)


def _forget(client: docker.APIClient, order: BuildOrder) -> None:
    """Have an engine without an image, whatever it is called there."""
    client.remove_image(order.published)
    client.remove_image(order.tag)
