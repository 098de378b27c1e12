"""Images that are built are kept in a registry, and come from there to engines that did not build them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from orchestrator.engine.transfer import bring_image
from orchestrator.engine.values import BuildOrder, Image
from orchestrator.errors import ConfigurationError, ImageError
from orchestrator.release.images import prepare_image
from orchestrator.stack.load import load_stack
from orchestrator.stack.model import DRILL_OF
from tests.fakes.apps import App
from tests.fakes.world import World

if TYPE_CHECKING:
    from pathlib import Path


class Machine:
    """An engine's API that has one image, and knows what its machine is."""

    def __init__(self, built: str, arch: str) -> None:
        self._built, self._arch = built, arch

    def inspect_image(self, reference: str) -> dict[str, Any]:
        """Answer with the image."""
        return {"Id": "sha256:1", "RepoTags": [reference], "Architecture": self._built}

    def version(self) -> dict[str, str]:
        """Answer with what the machine is."""
        return {"Arch": self._arch}


def test_an_image_for_another_kind_of_machine_is_not_sent(tmp_path: Path) -> None:
    """It would start nowhere there; what can be done about it is said."""
    here: Any = Machine("arm64", "arm64")
    there: Any = Machine("arm64", "amd64")
    order = BuildOrder(tmp_path, "Dockerfile", "app:v1", {}, {})
    with pytest.raises(ImageError, match="built for arm64, and the engine's machine is amd64") as e:
        bring_image(here, there, order, Image("sha256:1", (), {}), lambda _: None)
    assert "--platform=linux/amd64" in str(e.value.hint)


REGISTRY = {"repository": "r.example/team"}
PUBLISHED = "r.example/team/shop-notes"


def test_what_is_built_is_pushed_and_the_evidence_names_its_digest(tmp_path: Path) -> None:
    """The name is that of the stack, the service and the version."""
    world = World(tmp_path, registry=REGISTRY).begin()
    result = world.deploy("v2")
    newest = world.host.shelf.newest(f"{PUBLISHED}:v2")
    found = json.loads((tmp_path / str(result.evidence) / "evidence.json").read_text())
    assert found["image"]["registry"] == f"{PUBLISHED}@{newest}"


def test_a_version_that_is_not_built_comes_from_the_registry(tmp_path: Path) -> None:
    """Another machine has pushed it there."""
    world = World(tmp_path, registry=REGISTRY).begin()
    world.host.shelf.registry.add(f"{PUBLISHED}:v2")
    world.host.apps[f"{PUBLISHED}:v2"] = App(answers="v2")
    image = prepare_image(world.house, "notes", "v2", lambda _: None, build=False)
    assert image.tags == (f"{PUBLISHED}:v2",)


def test_a_password_that_is_not_set_is_missed_before_the_build(tmp_path: Path) -> None:
    """And with it the build is pushed."""
    login = {**REGISTRY, "username": "ada", "password": "REGISTRY_TOKEN"}
    world = World(tmp_path, registry=login)
    with pytest.raises(ConfigurationError, match="`REGISTRY_TOKEN`, which is not set"):
        prepare_image(world.house, "notes", "v1", lambda _: None, build=True)
    world.variables |= {"REGISTRY_TOKEN": "t"}
    prepare_image(world.house, "notes", "v1", lambda _: None, build=True)
    assert f"{PUBLISHED}:v1" in world.host.shelf.registry


def test_a_drill_pushes_nothing(tmp_path: Path) -> None:
    """What it builds is thrown away."""
    world = World(tmp_path, registry=REGISTRY, **{DRILL_OF: "other"})
    prepare_image(world.house, "notes", "v1", lambda _: None, build=True)
    assert not world.host.shelf.registry


def test_what_was_pushed_is_pruned_by_both_names(tmp_path: Path) -> None:
    """The registry keeps it."""
    world = World(tmp_path, registry=REGISTRY).begin()
    for version in ("v2", "v3", "v4"):
        world.deploy(version)
    removed = world.prune(keep=1)
    assert {"shop-notes:v1", f"{PUBLISHED}:v1"} <= {*removed.images}
    assert f"{PUBLISHED}:v1" in world.host.shelf.registry


def test_what_was_pushed_elsewhere_before_is_pruned_as_well(tmp_path: Path) -> None:
    """Once stack.yaml names another registry, or none; a name that somebody else gave keeps its image."""
    world = World(tmp_path, registry=REGISTRY).begin()
    for version in ("v2", "v3"):
        world.deploy(version)
    world.document["registry"] = {"repository": "other.example"}
    world.deploy("v4")
    del world.document["registry"]
    for version in ("v5", "v6"):
        world.deploy(version)
    world.host.shelf.tag("shop-notes:v2", "mirror.example/shop-notes:v2")

    removed = {*world.prune(keep=1).images}

    assert {f"{PUBLISHED}:v1", f"{PUBLISHED}:v3", "other.example/shop-notes:v4"} <= removed
    assert f"{PUBLISHED}:v2" not in removed


def test_a_rollback_fetches_what_the_engine_has_no_more(tmp_path: Path) -> None:
    """From the registry, where each version stays."""
    world = World(tmp_path, registry=REGISTRY).begin()
    for version in ("v2", "v3"):
        world.deploy(version)
    for name in ("shop-notes:v1", f"{PUBLISHED}:v1"):
        world.engine.remove_image(name)
    world.host.shelf.registry.remove(f"{PUBLISHED}:v1")
    refused = world.rollback("v1")
    assert refused.error is not None
    assert refused.error.message == f"pulling `{PUBLISHED}:v1`: no registry has it"
    assert world.serving() == {"v3"}

    world.host.shelf.registry.add(f"{PUBLISHED}:v1")
    world.host.apps[f"{PUBLISHED}:v1"] = App(answers="v1")
    assert world.rollback("v1").outcome == "deployed"
    assert world.serving() == {"v1"}


def test_a_rollback_whose_image_is_gone_says_how_it_is_built(tmp_path: Path) -> None:
    """No registry has it; `rollback` itself builds nothing."""
    world = World(tmp_path).begin()
    for version in ("v2", "v3"):
        world.deploy(version)
    world.engine.remove_image("shop-notes:v1")
    error = world.rollback("v1").error
    assert error is not None
    assert (error.message, error.hint) == (
        "there is no image `shop-notes:v1` on this engine",
        "build it: `stackctl deploy notes --version v1`",
    )


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"repository": "team/app"}, "registry and perhaps a path"),
        ({"repository": "https://r.example"}, "registry and perhaps a path"),
        ({"repository": "r.example", "username": "ada"}, "together"),
        ({"repository": "r.example", "password": "TOKEN"}, "together"),
    ],
)
def test_a_registry_that_is_none_is_refused(
    tmp_path: Path, wrong: dict[str, str], told: str
) -> None:
    """With what is expected."""
    (tmp_path / "notes").mkdir()
    (tmp_path / "stack.yaml").write_text(
        json.dumps(
            {
                "version": 1,
                "name": "shop",
                "gateway": {"image": "nginx:1.30"},
                "services": {"notes": {"build": "notes", "port": 80}},
                "registry": wrong,
            }
        )
    )
    with pytest.raises(ConfigurationError, match=told):
        load_stack(tmp_path / "stack.yaml")
