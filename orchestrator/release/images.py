"""The image of a version: built here, pulled, or already there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.engine.values import BuildOrder, Image
from orchestrator.errors import ConfigurationError, ImageError, NotFound
from orchestrator.events import Emit, Progress
from orchestrator.stack import naming

if TYPE_CHECKING:
    from pathlib import Path

    from orchestrator.engine.ports import Images
    from orchestrator.stack.model import Service, Stack

ROOT = ("", "root")


def prepare_image(
    engine: Images,
    stack: Stack,
    folder: Path,
    service: str,
    version: str,
    emit: Emit,
    *,
    build: bool,
) -> Image:
    """Return the version's image. Raises ImageError, ConfigurationError where it runs as root."""
    wanted = stack.services[service]

    def report(line: str) -> None:
        emit(Progress(line))

    if wanted.build is None:
        image = ensure_image(engine, str(wanted.image).replace("{version}", version), emit)
    elif build:
        image = engine.build(_to_order(stack, folder, service, version), report)
    else:
        image = find_built(engine, stack, service, version)
    _refuse_root(wanted, service, image)
    return image


def find_built(engine: Images, stack: Stack, service: str, version: str) -> Image:
    """Return the image that an earlier build of the version left. Raises ImageError."""
    tag = naming.image_tag(stack.name, service, version)
    try:
        found = engine.image(tag)
    except NotFound as error:
        raise ImageError(
            f"there is no image `{tag}` on this engine", "build it: leave `--no-build` out"
        ) from error
    owner = found.labels.get(naming.STACK, stack.name)
    if owner != stack.name:
        raise ImageError(
            f"image `{tag}` belongs to stack `{owner}`", "build it: leave `--no-build` out"
        )
    return found


def ensure_image(engine: Images, reference: str, emit: Emit) -> Image:
    """Return an image that the engine has, or fetch it. Raises ImageError."""
    try:
        return engine.image(reference)
    except NotFound:
        emit(Progress(f"pulling {reference}"))
        return engine.pull(reference, lambda line: emit(Progress(line)))


def _to_order(stack: Stack, folder: Path, service: str, version: str) -> BuildOrder:
    build = stack.services[service].build
    if build is None:
        raise ConfigurationError(f"services.{service}: has no `build`")
    return BuildOrder(
        context=folder / build.context,
        dockerfile=build.dockerfile,
        tag=naming.image_tag(stack.name, service, version),
        arguments={**build.args, "VERSION": version},
        labels=naming.labels(stack.name, "service", service=service, version=version),
    )


def _refuse_root(wanted: Service, service: str, image: Image) -> None:
    user = (wanted.user or image.user).partition(":")[0]
    if user.lstrip("+-0") in ROOT:  # the engine reads `00` as a number as well
        raise ConfigurationError(
            f"the image of `{service}` would run as root",
            f"add `USER` to its Dockerfile, or `user` to services.{service} in stack.yaml",
        )
