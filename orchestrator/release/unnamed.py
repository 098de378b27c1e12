"""Volumes without a name: an image wants them, and `volumes` in stack.yaml does not cover them.

The engine makes an empty one with each container. So whatever is made anew begins without the data,
and nothing leads to them any more: they are told of before, and never removed with a container.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from orchestrator.errors import ConfigurationError
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from orchestrator.engine.ports import Inside
    from orchestrator.engine.values import Container, ContainerSpec, Image


def warn_of_uncovered(part: str, image: Image, spec: ContainerSpec) -> list[str]:
    """Return a warning for each path; `part` is such as `services.notes`."""
    return [
        f"{part}: its image keeps data at {path}, and a new container begins without them;"
        f" add `{_suggest(part, path)}:{path}` to its `volumes`"
        for path in image.uncovered(spec)
    ]


def refuse_loss(
    engine: Inside, part: str, spec: ContainerSpec, found: Container, there: Collection[str]
) -> None:
    """Raise ConfigurationError where a container cannot be made anew with its data.

    A volume that stack.yaml covers the path with is taken to have them, if it is `there`.
    """
    for path, unnamed in sorted(found.unnamed.items()):
        named = spec.covered.get(path)
        missing = named is None or (named and named not in there)
        if missing and not _is_empty(engine, found, path):
            raise ConfigurationError(
                f"`{found.name}` has data at {path} in a volume without a name: a new container"
                " would begin without them",
                _tell_way(part, spec, path, unnamed, named),
            )


def _is_empty(engine: Inside, container: Container, path: str) -> bool:
    """Whether there are no data for sure: what does not run, or has no `ls`, cannot tell."""
    if not container.running:
        return False
    listed = engine.execute(container.id, ("ls", "-A", path))
    return listed.exit_code == 0 and not listed.text.strip()


def tell_of_left(containers: Iterable[Container]) -> list[str]:
    """Return where the data of containers that are removed can be found."""
    return [
        f"data of `{one.name}` at {path} stay in a volume without a name: `docker volume rm {name}`"
        " removes them"
        for one in containers
        for path, name in sorted(one.unnamed.items())
    ]


def _tell_way(part: str, spec: ContainerSpec, path: str, unnamed: str, named: str | None) -> str:
    stack = spec.labels[naming.STACK]
    mount = _suggest(part, path)
    volume = named or naming.part_name(stack, mount)
    first = f"copy them to `{volume}`"
    if named is None:
        first = f"add `{mount}:{path}` to {part}.volumes, and {first}"
    return (
        f"{first}: `docker stop {spec.name} && docker volume create --label {naming.STACK}={stack}"
        f" {volume} && docker run --rm --user 0 --entrypoint cp -v {unnamed}:/from -v {volume}:/to"
        f" {spec.image} -a /from/. /to`"
    )


def _suggest(part: str, path: str) -> str:
    """Return a name for the volume at a path, such as `db-var-lib-data`."""
    words = re.sub(r"[^a-z0-9]+", "-", path.lower()).strip("-")
    return f"{part.rpartition('.')[2]}-{words or 'data'}"
