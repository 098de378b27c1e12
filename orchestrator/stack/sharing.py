"""Volumes that two versions of a service would write to at the same time: pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.stack.model import Service

SHARED = (
    "{place}: while a release goes on, both versions write to `{name}`; where they must not, set"
    " `strategy: recreate`, or mount it `:ro`; where the app is made for it, `{mount}:shared`"
)


def find_shared(service: Service) -> list[str]:
    """Return the mounts that both colors may write to, and of which nobody has said that this is meant."""
    if service.alone:
        return []
    return [mount for mount in service.volumes if mount.count(":") == 1]


def warn_of_shared(place: str, service: Service) -> Iterator[str]:
    """Yield what may surprise whoever has an app that must be the only one to write."""
    for mount in find_shared(service):
        yield SHARED.format(place=place, name=mount.partition(":")[0], mount=mount)
