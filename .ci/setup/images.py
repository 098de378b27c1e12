"""The base images: official ones where a registry answers, else stand-ins built on this machine."""

from __future__ import annotations

import enum
import os
from typing import TYPE_CHECKING

import settings
import standins
import system
from steps import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from commands import Commands

VARIABLE = "IMAGE_PREFIX"
OFFICIAL = (
    "nginx:1.30",
    "python:3.13-slim",
    "mongo:8",
    "postgres:17",
    "redis:8",
)  # the smallest first: it is the one that is tried
PATIENCE = 8.0  # seconds until a registry must have said something


class Source(enum.Enum):
    """Where base images come from."""

    OFFICIAL = "official"
    GIVEN = "given"
    STAND_INS = "stand-ins"


def prepare(root: Path, commands: Commands, tell: Callable[[str], None]) -> str:
    """Have every base image ready, and `.env` name the prefix where it is not the official one."""
    env = root / ".env"
    prefix = chosen_prefix(os.environ, settings.read(env))
    images = [f"{prefix or ''}{image}" for image in OFFICIAL]
    absent = [image for image in images if image not in standins.labels(images)]
    source = chosen_source(prefix, absent, lambda image: _pull(image, commands, tell))
    if source is Source.STAND_INS:
        built = _stand_ins(root, commands, tell)
        if prefix is None:
            settings.write(env, settings.extended(settings.read(env), {VARIABLE: standins.PREFIX}))
        return f"stand-ins {built} ({VARIABLE}={standins.PREFIX})"
    for image in absent:
        _require(image, commands, tell)
    return f"{source.value} ones {'pulled' if absent else 'already here'}"


def chosen_prefix(variables: Mapping[str, str], text: str) -> str | None:
    """Read the prefix that somebody chose: the environment first, then `.env`; None where nobody did."""
    if VARIABLE in variables:
        return variables[VARIABLE]
    return settings.value(text, VARIABLE)


def chosen_source(prefix: str | None, absent: list[str], pull: Callable[[str], bool]) -> Source:
    """Decide by what was chosen, what is here, and whether a registry hands out the first absent image."""
    if prefix == standins.PREFIX:
        return Source.STAND_INS
    if prefix:
        return Source.GIVEN
    if prefix == "" or not absent or pull(absent[0]):
        return Source.OFFICIAL
    return Source.STAND_INS


def _stand_ins(root: Path, commands: Commands, tell: Callable[[str], None]) -> str:
    recipes = standins.recipes(root / ".ci" / "images")
    if standins.current(recipes):
        return "already built"
    if not system.can_install():
        raise SetupError(
            "no image registry answers, and stand-ins are built on Debian or Ubuntu as root only",
            f"write {VARIABLE}=<your registry>/ into .env; it must hold {', '.join(OFFICIAL)}",
        )
    standins.build(recipes, commands, tell)
    return "built"


def _pull(image: str, commands: Commands, tell: Callable[[str], None]) -> bool:
    """Pull one image; False where the registry is silent or refuses."""
    tell(f"pulling {image}")
    label = f"images-pull-{standins.file_name(image)}"
    following = f"docker pull {image}"
    answered = commands.answers(
        label, "docker", "pull", image, patience=PATIENCE, following=following
    )
    if not answered:
        tell("no registry hands it out")
    return answered


def _require(image: str, commands: Commands, tell: Callable[[str], None]) -> None:
    tell(f"pulling {image}")
    label = f"images-pull-{standins.file_name(image)}"
    commands.run(label, "docker", "pull", image, following=f"docker pull {image}")
