"""Log lines of a part of the stack, container by container or as they come."""

from __future__ import annotations

import queue
import threading
from typing import TYPE_CHECKING

from orchestrator.errors import ConfigurationError, EngineError
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.engine.values import Container
    from orchestrator.release.house import House

Line = tuple[str, str]  # (container, text)


def read_logs(house: House, part: str, tail: int) -> Iterator[Line]:
    """Yield the last lines of each container of a part."""
    for container in _find(house, part):
        for line in house.engine.logs(container.id, tail=tail).splitlines():
            yield container.name, line


def follow_logs(house: House, part: str, tail: int) -> Iterator[Line]:
    """Yield lines of all running containers of a part as they are printed."""
    lines: queue.SimpleQueue[Line | None] = queue.SimpleQueue()
    running = [container for container in _find(house, part) if container.running]

    def follow(container: Container) -> None:
        try:
            for line in house.engine.follow(container.id, tail=tail):
                lines.put((container.name, line))
        except EngineError as error:
            lines.put((container.name, f"-- {error.message}"))
        finally:
            lines.put(None)

    for container in running:
        threading.Thread(target=follow, args=(container,), daemon=True).start()
    ended = 0
    while ended < len(running):
        line = lines.get()
        if line is None:
            ended += 1
        else:
            yield line


def _find(house: House, part: str) -> list[Container]:
    known = {*house.stack.services, *house.stack.accessories, "gateway"}
    if part not in known:
        names = ", ".join(f"`{name}`" for name in sorted(known))
        raise ConfigurationError(f"there is no `{part}` in the stack; it has {names}")
    found = [
        container
        for container in house.engine.containers(house.stack.name)
        if part in (container.labels.get(naming.SERVICE), container.labels.get(naming.ROLE))
    ]
    return sorted(found, key=lambda container: container.name)
