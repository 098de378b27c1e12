"""Log lines of a part of the stack, container by container or as they come."""

from __future__ import annotations

import queue
import re
import threading
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from orchestrator.errors import ConfigurationError, EngineError
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.engine.values import Container
    from orchestrator.release.house import House

AGO = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smhd])")
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
Line = tuple[str, str]  # (container, text)


@dataclass(frozen=True)
class Extract:
    """Which lines of a part's containers are wanted, and whether with their times."""

    part: str
    tail: int  # lines of each container
    since: float | None = None  # Unix time
    timestamps: bool = False

    @property
    def options(self) -> dict[str, Any]:
        """Return what the engine is asked for."""
        return {"tail": self.tail, "since": self.since, "timestamps": self.timestamps}


def read_logs(house: House, wanted: Extract) -> Iterator[Line]:
    """Yield the last lines of each container of a part, those that run last."""
    for container in _find(house, wanted.part):
        for line in house.engine.logs(container.id, **wanted.options).splitlines():
            yield container.name, line


def follow_logs(house: House, wanted: Extract) -> Iterator[Line]:
    """Yield lines of all running containers of a part as they are printed."""
    lines: queue.SimpleQueue[Line | None] = queue.SimpleQueue()
    running = [container for container in _find(house, wanted.part) if container.running]

    def follow(container: Container) -> None:
        try:
            for line in house.engine.follow(container.id, **wanted.options):
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
    return sorted(found, key=lambda container: (container.running, container.name))


def parse_since(text: str, now: datetime) -> float:
    """Return the Unix time of `10m` ago, or of a date and time. Raises ConfigurationError."""
    if match := AGO.fullmatch(text):
        return now.timestamp() - float(match[1]) * SECONDS[match[2]]
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"`{text}` is no time: `--since` takes how long ago, or a date and time",
            "such as `30s`, `10m`, `2h`, `1d` or `2030-01-01T12:00`",
        ) from None
    return moment.timestamp()  # without a zone it is the time here
