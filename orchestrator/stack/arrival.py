"""By which hosts requests arrive at a service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.stack.hosts import find_exact

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestrator.stack.model import Service, Stack
    from orchestrator.stack.routes import Route

GUEST = "stackctl-witness"  # who comes to a star: a name that nobody else has below it


def list_hosts(service: Service, route: Route) -> tuple[str, ...]:
    """Return the names that a route of a service answers for; none where it answers for all."""
    return route.host or service.hosts


def list_names(stack: Stack) -> list[str]:
    """Return the hosts by which requests come to a stack, without those that have a star."""
    return [name for name in list_patterns(stack) if "*" not in name]


def list_patterns(stack: Stack) -> tuple[str, ...]:
    """Return the hosts by which requests come to a stack.

    Among them are those that requests are led on from.
    """
    found: dict[str, None] = {}
    for service in stack.services.values():
        moved = list(service.redirect_from) if service.routes else []
        for route in service.routes:
            found |= dict.fromkeys(list_hosts(service, route))
            moved += route.redirect_from
        found |= dict.fromkeys(one.host for one in moved if one.host)
    return tuple(found)


def choose_host(service: Service, path: str) -> str | None:
    """Return the `Host` by which a path leads to a service; None where any does."""
    routes = service.routes
    fitting = [r for r in routes if path == r.path or path.startswith(r.path.rstrip("/") + "/")]
    closest = max(fitting, key=lambda route: len(route.path), default=next(iter(routes), None))
    patterns = list_hosts(service, closest) if closest else ()
    return find_name(patterns) if patterns else None


def find_name(patterns: Sequence[str]) -> str:
    """Return a name that one of the patterns stands for: an exact one where there is one."""
    return find_exact(patterns) or patterns[0].replace("*", GUEST, 1)
