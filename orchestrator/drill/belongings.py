"""What belongs to a drill's copy of a stack on the engine: labels tell, and nothing else is touched."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from orchestrator.errors import Conflict
from orchestrator.lifecycle.removal import Removed, take_down
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.release.house import House

SUFFIX = "-drill"
LOCK_WAIT = 30.0  # seconds; a drill that breaks off has just killed who held it
LONGEST_NAME = 20  # of a stack
DIGITS = 6  # of a hash, which keep two long names apart that begin alike


def name_copy(stack: str) -> str:
    """Return what the copy of a stack is called. Two stacks never share one."""
    if len(stack) + len(SUFFIX) <= LONGEST_NAME:
        return stack + SUFFIX
    digest = hashlib.sha256(stack.encode()).hexdigest()[:DIGITS]
    stem = stack[: LONGEST_NAME - len(SUFFIX) - DIGITS - 1].rstrip("-")
    return f"{stem}-{digest}{SUFFIX}"


def refuse_others(house: House) -> bool:
    """Return whether a copy is there. Raises Conflict where a stack is, that happens to have its name."""
    wanted = house.stack.drill_of
    found = list(_list_parts(house))
    for what, labels in found:
        if wanted is None or labels.get(naming.DRILL_OF) != wanted:
            raise Conflict(
                f"`{house.stack.name}` is the name of the copy of `{wanted}`, and of a stack that no drill"
                f" of it has made: {what} is there",
                "a drill touches nothing of it: give the stack, or the drilled one, another `name`; what an"
                f" earlier stackctl's drill has left is listed by `docker ps -a --filter"
                f" label={naming.STACK}={house.stack.name}`",
            )
    return bool(found)


def remove_copy(house: House) -> Removed:
    """Remove a copy with its data and its images; return what that was.

    Raises Conflict where a part of it is no drill's.
    """
    refuse_others(house)
    removed = take_down(house, volumes=True, wait=LOCK_WAIT)
    tags = [tag for image in house.engine.images(house.stack.name) for tag in image.handles]
    for tag in tags:
        house.engine.remove_image(tag)
    return replace(removed, images=tuple(tags))


def describe_removed(stack: str, removed: Removed) -> str:
    """Return in a line what was taken away."""
    parts = {
        "containers": removed.containers,
        "volumes": removed.volumes,
        "images": removed.images,
    }
    told = ", ".join(
        f"{len(names)} {kind if len(names) != 1 else kind[:-1]}" for kind, names in parts.items()
    )
    return f"`{stack}` is removed: {told}"


def _list_parts(house: House) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield all that wears the copy's name as its stack's, in words and with its labels."""
    stack, engine = house.stack.name, house.engine
    for container in engine.containers(stack):
        yield f"container `{container.name}`", container.labels
    named = engine.named(naming.part_name(stack, ""))
    labels = {(one.kind, one.name): one.labels for one in named if one.owner == stack}
    for (kind, name), worn in labels.items():
        if kind != "container":
            yield f"{kind} `{name}`", worn
    for volume in engine.volumes(stack):  # also those that are called otherwise
        if ("volume", volume) not in labels:
            yield f"volume `{volume}`", {}
    for image in engine.images(stack):
        yield f"image `{image.handles[0]}`", image.labels
