"""Building and removing images on an engine where somebody else removes some at the same time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import docker.errors
import pytest

from orchestrator.engine.images import RACED, TRIES, build_image, remove_image
from orchestrator.engine.values import BuildOrder, Image
from orchestrator.errors import ConfigurationError, EngineError, ImageError
from orchestrator.events import Warned
from orchestrator.release.images import find_digests, prepare_image
from tests.fakes.apps import App
from tests.fakes.engine import FakeEngine
from tests.fakes.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

RACES = [f"{words}4242" for words in RACED]


class Client:
    """An engine's API whose builds and removals fail so many times."""

    def __init__(self, failures: int, words: str) -> None:
        self.calls = 0
        self._failures = failures
        self._words = words

    def build(self, **_: object) -> Iterator[dict[str, str]]:
        """Answer as the builder does: a failure is a line of its stream."""
        yield {"error": self._words} if self._fails() else {"stream": "Successfully built"}

    def remove_image(self, image: str, *, force: bool) -> None:
        """Answer as the engine does: a failure is a status."""
        assert image
        assert not force
        if self._fails():
            raise docker.errors.APIError("500", explanation=self._words)

    def inspect_image(self, reference: str) -> dict[str, Any]:
        """Answer with an image."""
        return {"Id": "sha256:1", "RepoTags": [reference]}

    def _fails(self) -> bool:
        self.calls += 1
        return self.calls <= self._failures


def order(folder: Path) -> BuildOrder:
    """Return an order to build from a folder with a Dockerfile."""
    (folder / "Dockerfile").write_text("FROM scratch\n")
    return BuildOrder(folder, "Dockerfile", "app:v1", {}, {})


@pytest.mark.parametrize("words", RACES)
def test_a_build_that_lost_a_race_is_done_again(tmp_path: Path, words: str) -> None:
    """Whoever watches is told."""
    client: Any = Client(TRIES - 1, words)
    said: list[str] = []

    assert build_image(client, order(tmp_path), said.append).tags == ("app:v1",)
    assert client.calls == TRIES
    assert said[1:] == ["building again"] * (TRIES - 1) + ["Successfully built"]


@pytest.mark.parametrize(("words", "calls"), [(RACES[0], TRIES), ("exit code 9", 1)])
def test_a_build_that_fails_for_good_is_an_error(tmp_path: Path, words: str, calls: int) -> None:
    """A failing step is not tried again, a lost race not for ever."""
    client: Any = Client(TRIES, words)
    with pytest.raises(ImageError, match=words):
        build_image(client, order(tmp_path), lambda _: None)
    assert client.calls == calls


@pytest.mark.parametrize("words", RACES)
def test_a_removal_that_lost_a_race_is_done_again(words: str) -> None:
    """What somebody else did to the images below it is no reason to leave it."""
    client: Any = Client(1, words)

    remove_image(client, "app:v1")
    assert client.calls == 2


def test_an_image_in_use_is_not_tried_again() -> None:
    """It would not help."""
    client: Any = Client(1, "conflict: unable to remove, container 42 is using it")
    with pytest.raises(EngineError, match="is using it"):
        remove_image(client, "app:v1")
    assert client.calls == 1


MOVING = "shop.example:5000/notes:main"


class Shop(World):
    """A stack whose `notes` is an image that somebody else makes, under a tag that moves."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        del self.notes["build"]
        self.notes.update(image="shop.example:5000/notes:{version}", version="main")
        self.host.shelf.registry.add(MOVING)
        self.host.apps[MOVING] = App(answers="main")
        self.up()

    def asked(self) -> list[str]:
        """Return what the engine was asked about images since the last look."""
        calls = [call.method for call in self.engine.calls if call.method in ("newest", "pull")]
        self.engine.calls.clear()
        return calls


def test_a_tag_that_has_moved_is_fetched_again(tmp_path: Path) -> None:
    """Once: the next deploy finds that nothing has changed."""
    shop = Shop(tmp_path)
    assert shop.asked() == ["pull"]
    assert shop.deploy("main").outcome == "unchanged"
    assert shop.asked() == ["newest"]
    shop.host.shelf.pushed[MOVING] = "pushed again"
    assert shop.deploy("main").outcome == "deployed"
    assert shop.asked() == ["newest", "pull"]
    assert shop.deploy("main").outcome == "unchanged"


def test_a_registry_that_does_not_answer_stops_no_release(tmp_path: Path) -> None:
    """The image that is here is used, and that is said."""
    shop = Shop(tmp_path)
    shop.host.shelf.registry.clear()
    result = shop.deploy("main")
    assert (result.outcome, result.exit_code) == ("unchanged", 0)
    (warning,) = [event.text for event in shop.events if isinstance(event, Warned)]
    assert warning.startswith(f"the image `{MOVING}` that is on this engine is used: the registry")


def test_nobody_else_is_asked_for_what_is_here(tmp_path: Path) -> None:
    """With `--no-build`, and with `up`, which changes nothing that is as it should be."""
    shop = Shop(tmp_path)
    shop.host.shelf.pushed[MOVING] = "pushed again"
    shop.asked()
    assert shop.deploy("main", build=False).outcome == "unchanged"
    shop.up()
    assert shop.asked() == []


@pytest.mark.parametrize(
    ("reference", "digests", "found"),
    [
        ("python:3.13", (), set()),
        ("python:3.13", ("python@sha256:1",), {"sha256:1"}),
        ("docker.io/library/python:3.13", ("python@sha256:1",), {"sha256:1"}),
        ("shop.example:5000/notes", ("shop.example:5000/notes@sha256:1",), {"sha256:1"}),
        ("shop.example:5000/notes:v1", ("python@sha256:1",), set()),
        ("notes:v1", ("shop.example:5000/notes@sha256:1",), set()),
    ],
)
def test_only_what_came_from_a_registry_is_asked_for_there(
    reference: str, digests: tuple[str, ...], found: set[str]
) -> None:
    """What was built here, or named here, is in no registry, and a question would only take time."""
    assert find_digests(Image("sha256:0", (reference,), {}, digests=digests), reference) == found


@pytest.mark.parametrize(
    ("context", "left_out"),
    [
        (".", (".env", "reports", ".stackctl")),
        ("..", ("stack/.env", "stack/reports", "stack/.stackctl")),
        ("notes", ()),
        ("reports", ()),
        ("notes/..", (".env", "reports", ".stackctl")),
    ],
)
def test_secrets_and_evidence_are_sent_to_no_builder(
    tmp_path: Path, context: str, left_out: tuple[str, ...]
) -> None:
    """Wherever they lie in the folder of a build."""
    (tmp_path / "stack").mkdir()
    world = World(tmp_path / "stack", services={"notes": {"build": context, "port": 80}})
    place = world.folder / context
    place.mkdir(exist_ok=True)
    (place / "Dockerfile").write_text("FROM python:3.13-slim\nUSER 10001\n")
    assert ordered(world).left_out == left_out


def test_backups_are_sent_to_no_builder(tmp_path: Path) -> None:
    """An image would hold the data of users; what lies beside them is the user's own."""
    database = {"image": "mongo:8", "backup": {"command": ["dump"], "folder": "kept"}}
    world = World(
        tmp_path, services={"notes": {"build": ".", "port": 80}}, accessories={"db": database}
    )
    (tmp_path / "Dockerfile").write_text("FROM python:3.13-slim\nUSER 10001\n")
    assert ordered(world).left_out == (".env", "reports", ".stackctl", "kept/db")


def test_what_lies_beside_another_stack_is_sent_to_no_builder(tmp_path: Path) -> None:
    """A drill's copy of a stack builds from the folders of the original."""
    original = tmp_path / "original"
    original.mkdir()
    (original / "stack.yaml").touch()
    (original / "Dockerfile").write_text("FROM python:3.13-slim\nUSER 10001\n")
    world = World(tmp_path, services={"notes": {"build": str(original), "port": 80}})
    assert ordered(world).left_out == (".env", "reports", ".stackctl")


def test_a_build_is_told_its_stage_its_secrets_and_its_agents(tmp_path: Path) -> None:
    """By the ids that the Dockerfile knows; a value is in no text of the order."""
    build = {"context": "notes", "target": "web", "secrets": ["TOKEN", "npmrc:TOKEN"]}
    services = {"notes": {"build": {**build, "ssh": ["default"]}, "port": 80}}
    world = World(tmp_path, services=services)
    world.variables["TOKEN"] = "not-to-be-seen"  # noqa: S105  it is what nobody may see
    order = ordered(world)

    assert (order.target, order.ssh) == ("web", ("default",))
    assert order.secrets == {"TOKEN": "not-to-be-seen", "npmrc": "not-to-be-seen"}
    assert order.arguments == {"VERSION": "v1"}
    assert "not-to-be-seen" not in repr(order)
    world.variables.clear()
    with pytest.raises(ConfigurationError, match=r"notes\.build: secret `TOKEN` is not set"):
        ordered(world)


def ordered(world: World) -> BuildOrder:
    """Return what is to be built for `notes`."""
    orders: list[BuildOrder] = []

    class Builder(FakeEngine):
        """Notes what it is to build."""

        def build(self, order: BuildOrder, report: Callable[[str], None]) -> Image:
            """Build it."""
            orders.append(order)
            return super().build(order, report)

    house = replace(world.house, engine=Builder(world.host))
    prepare_image(house, "notes", "v1", house.emit, build=True)
    return orders[0]
