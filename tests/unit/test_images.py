"""Building and removing images on an engine where somebody else removes some at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import docker.errors
import pytest

from orchestrator.engine.images import RACED, TRIES, build_image, remove_image
from orchestrator.engine.values import BuildOrder
from orchestrator.errors import EngineError, ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator
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
    assert said == ["building again"] * (TRIES - 1) + ["Successfully built"]


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
