"""How many replicas a service has: what stack.yaml says, or what `scale` has said since. Pure.

`scale` holds until stack.yaml says another number than it did then: whoever edits it has the last word.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.gateway.lane import Lane, Target
    from orchestrator.stack.model import Service, Stack


def find_count(service: Service, active: Target | None) -> int:
    """Return how many replicas a service is to have; `active` is what serves now."""
    kept = active is not None and active.declared == service.replicas
    return active.replicas if active is not None and kept else service.replicas


def set_count(
    stack: Stack, name: str, active: Target | None, asked: int | None
) -> tuple[Stack, int | None]:
    """Return the stack with as many replicas of a service as it is to have, or as `scale` has `asked` for.

    With it what stack.yaml says, where that is another number.
    """
    said = stack.services[name]
    count = find_count(said, active) if asked is None else asked
    if count == said.replicas:
        return stack, None
    services = {**stack.services, name: said.model_copy(update={"replicas": count})}
    return stack.model_copy(update={"services": services}), said.replicas


def recount(lane: Lane, candidate: Target) -> Lane | None:
    """Return a lane in which what serves, and is as it should be, has the number for which that holds.

    None where that is known: mostly stack.yaml has been given the number that `scale` had set.
    """
    active = lane.active
    if active is None or active.declared == candidate.declared:
        return None
    return replace(lane, active=replace(active, declared=candidate.declared))


def tell_count(part: str, candidate: Target, active: Target | None) -> Iterator[str]:
    """Say that stack.yaml and `scale` differ, and who has the last word; nothing where they agree."""
    count, said = candidate.replicas, candidate.declared
    if said is not None:
        yield (
            f"{part}: {count} replicas, as `stackctl scale` said, where stack.yaml says {said}; that"
            f" holds until stack.yaml says another number, or `stackctl scale` {said}"
        )
    elif active is not None and active.declared not in (None, count) and active.replicas != count:
        was = active.replicas
        yield f"{part}: {count} replicas, as stack.yaml says now; the {was} of `stackctl scale` are over"
