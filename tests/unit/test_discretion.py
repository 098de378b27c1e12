"""What the engine refuses is told without what came from a variable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from orchestrator.engine.discretion import keep_discreet
from orchestrator.engine.redaction import Redaction
from orchestrator.errors import ConfigurationError, EngineError
from orchestrator.stack.load import load_stack
from orchestrator.stack.withheld import find_withheld, list_public
from tests.fakes.faults import ALWAYS, Fault
from tests.fakes.world import World

if TYPE_CHECKING:
    from pathlib import Path

STACK = """\
version: 1
name: ${NAME}
gateway: { image: nginx:1.30 }
services:
  web:
    image: "registry.example/${PROJECT}:{version}"
    version: ${BUILD}
    port: 80
    secrets: ["KEY:WEB_KEY", UNSET]
accessories:
  db: { image: "mongo:8", port: 27017, command: ["--password=${PASSWORD}"], secrets: [DB_KEY] }
"""
VARIABLES = {
    "NAME": "shop-of-mine",
    "PROJECT": "t0ken-in-a-name",
    "BUILD": "v1234567",
    "PASSWORD": "p4ssword!",
    "WEB_KEY": "web-k3y",
    "DB_KEY": "db-k3y",
    "UNRELATED": "mongo:8",
}


def discreet(world: World, folder: Path) -> object:
    """Return a world's engine as a command has it that read the stack above."""
    file = folder / "stack.yaml"
    file.write_text(STACK)
    stack = load_stack(file, VARIABLES)
    redaction = Redaction(find_withheld(file, stack, VARIABLES), list_public(stack))
    return keep_discreet(world.engine, redaction)


def refuse(world: World, folder: Path, said: str) -> EngineError:
    """Let the engine refuse with these words; return what a command sees."""
    world.engine.fail(Fault("image", error=lambda: EngineError(said, f"see {said}"), times=ALWAYS))
    with pytest.raises(EngineError) as raised:
        discreet(world, folder).image("any")  # type: ignore[attr-defined]
    return raised.value


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "pulling `registry.example/t0ken-in-a-name:v1`",
            "pulling `registry.example/${PROJECT}:v1`",
        ),
        ('exec: "--password=p4ssword!": not found', 'exec: "--password=${PASSWORD}": not found'),
        ("KEY=web-k3y DB_KEY=db-k3y", "KEY=${WEB_KEY} DB_KEY=${DB_KEY}"),
        ("`shop-of-mine-web:v1234567` with mongo:8", "`shop-of-mine-web:v1234567` with mongo:8"),
    ],
)
def test_an_error_of_the_engine_says_no_value(tmp_path: Path, said: str, told: str) -> None:
    """Names, versions and what stands in stack.yaml itself are said; the class of the error stays."""
    error = refuse(World(tmp_path), tmp_path, said)
    assert (error.message, error.hint, str(error)) == (told, f"see {told}", told)


def test_what_the_engine_answers_is_left_as_it_is(tmp_path: Path) -> None:
    """Only errors are changed."""
    world = World(tmp_path)
    engine = discreet(world, tmp_path)
    assert engine.image("mongo:8") == world.engine.image("mongo:8")  # type: ignore[attr-defined]


def test_a_file_that_is_gone_is_no_bug(tmp_path: Path) -> None:
    """As where it is read first."""
    file = tmp_path / "stack.yaml"
    file.write_text(STACK)
    stack = load_stack(file, VARIABLES)
    file.unlink()
    with pytest.raises(ConfigurationError, match="does not exist"):
        find_withheld(file, stack, VARIABLES)
