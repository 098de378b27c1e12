"""The services and accessories of a stack, in one list."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.stack.model import Stack
    from orchestrator.stack.part import Part


def list_parts(stack: Stack, service: str | None = None) -> Iterator[tuple[str, Part]]:
    """Yield each part with its place, such as `services.web`; of one `service`, only that."""
    for name, part in stack.services.items():
        if service in (None, name):
            yield f"services.{name}", part
    if service is None:
        yield from ((f"accessories.{name}", part) for name, part in stack.accessories.items())
