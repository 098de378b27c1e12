"""A built image reaches a registry: the real engine, and a registry of this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.engine.connection import open_endpoint
from orchestrator.engine.docker import DockerEngine
from orchestrator.engine.endpoint import DEFAULT_HOST, Endpoint
from orchestrator.engine.values import BuildOrder
from orchestrator.errors import ImageError
from orchestrator.stack import naming
from tests.contract.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterator

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
