"""Services without a port: which of them must be alone, and which go with the service whose image they run."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from orchestrator.adopt.findings import Unfit
from orchestrator.adopt.limits import read_command
from orchestrator.adopt.origin import NOTHING
from orchestrator.stack.unit import find_unit_faults

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestrator.adopt.parts import Part

_SCHEDULER = re.compile(
    r"(?<![a-z])((celery)?beat|(ap|rq)?scheduler?|crond?|clock)(?![a-z])", re.IGNORECASE
)
ALONE = (
    "It looks like a scheduler. Two of them at the same time would do everything twice, so the old one",
    "ends before the new one starts. If two do no harm, leave `strategy` out.",
)
TOGETHER = "With its workers, which run the same image: released as one, in this order."


def put_strategy(part: Part) -> None:
    """Let a worker that looks like a scheduler be alone."""
    if part.keys.get("replicas", 1) == 1 and is_scheduler(part.written, list_words(part)):
        part.keys["strategy"] = "recreate"
        part.comments["strategy"] = [*ALONE]


def is_scheduler(name: str, words: Sequence[str]) -> bool:
    """Whether a service looks like one that starts jobs by the clock, by its name and its command."""
    embedded = "celery" in words and "-B" in words  # a worker with a scheduler in it
    return embedded or any(map(_SCHEDULER.search, [name, *words]))


def list_words(part: Part) -> list[str]:
    """Return the words of what a service runs; none where they cannot be read."""
    given = [part.source.get(key) for key in ("entrypoint", "command")]
    try:
        return [
            word for value in given if value not in NOTHING for word in read_command(part, value)
        ]
    except Unfit:
        return []  # which is told where the command itself is taken over


def join_workers(parts: Sequence[Part]) -> None:
    """Let each service take along the workers that run its image, as far as stack.yaml allows it."""
    by_name = {part.written: part for part in parts}
    for worker in parts:
        leader = by_name.get(worker.leader)
        if leader is None or not _is_built_alike(leader, worker):
            continue
        before = dict(leader.keys)
        leader.keys["with"] = [*leader.keys.get("with", []), worker.name]
        if _has_fault(parts):
            leader.keys = before
            worker.todos.append(
                f"it runs the image of `{leader.name}`, which waits for it by `needs`: released by itself"
            )
            continue
        worker.keys.pop("version", None)  # it is that of the leader
        leader.comments["with"] = [TOGETHER]


def _is_built_alike(leader: Part, worker: Part) -> bool:
    return all(
        leader.keys.get(key) == worker.keys.get(key) for key in ("build", "image", "version")
    )


def _has_fault(parts: Sequence[Part]) -> bool:
    services: Mapping[str, Mapping[str, Any]] = {
        part.name: part.keys for part in parts if part.group == "services"
    }
    needs = {
        name: [need for need in keys.get("needs", []) if need in services]
        for name, keys in services.items()
    }
    return any(find_unit_faults(services, needs))
