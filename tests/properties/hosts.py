"""Which routes and redirects a host has, found out in another way than stackctl does."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from tests.properties.nginx import Block, Config, locations, say

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.stack.model import Stack
    from orchestrator.stack.routes import Route


class Moved(NamedTuple):
    """An entry of `redirect_from`."""

    hosts: tuple[str, ...]  # from which it leads; none: all
    path: str
    whole: bool
    status: int
    target: str  # the host that it leads to; empty where that is the same
    new: str


def servers(config: Config) -> Iterator[tuple[str | None, Block]]:
    """Yield the servers of the public listener, by the host that each is for; None for all others."""
    yield None, config.public
    yield from config.sites.items()


def leads(server: Block) -> set[str]:
    """Return the patterns of what is led elsewhere."""
    return {
        pattern
        for pattern, block in locations(server).items()
        if say(block)[-1][:2] in (("return", "301"), ("return", "308"))
    }


def weigh(hosts: tuple[str, ...], host: str | None) -> tuple[bool, int] | None:
    """Return how well hosts fit to one: an exact name best, then the longest star."""
    if not hosts:
        return (False, 0)
    if host is None:
        return None
    fitting = [
        (name == host and name[0] != "*", len(name))
        for name in hosts
        if name == host or (name[0] == "*" and host.endswith(name[1:]))
    ]
    return max(fitting, default=None)


def of_host(stack: Stack, host: str | None) -> list[tuple[str, int, Route]]:
    """Return the routes of a host: each with its service and its place there."""
    every = [
        (name, place, route)
        for name, service in stack.services.items()
        for place, route in enumerate(service.routes)
    ]
    found = [one for one in _choose(stack, host) if not isinstance(one, Moved)]
    return [one for one in every if one in found]


def moved_from(stack: Stack, host: str | None) -> list[Moved]:
    """Return the redirects of a host."""
    return [one for one in _choose(stack, host) if isinstance(one, Moved)]


def _choose(stack: Stack, host: str | None) -> list[Moved | tuple[str, int, Route]]:
    places: list[tuple[tuple[bool, int], str, Moved | tuple[str, int, Route]]] = []
    for name, service in stack.services.items():
        for place, route in enumerate(service.routes):
            weight = weigh(route.host or service.hosts, host)
            if weight is not None:
                places.append((weight, route.path.rstrip("/"), (name, place, route)))
    for moved in list_moved(stack):
        weight = weigh(moved.hosts, host)
        if weight is not None:
            places.append((weight, moved.path.rstrip("/"), moved))
    gone = [weight for weight, _, one in places if isinstance(one, Moved) and one.whole]
    least = max(gone, default=(False, 0))
    return [
        one
        for weight, trunk, one in places
        if weight >= least and weight == max(w for w, t, _ in places if t == trunk)
    ]


def list_moved(stack: Stack) -> Iterator[Moved]:
    """Yield all entries of `redirect_from`."""
    for service in stack.services.values():
        entries = [(entry, service.routes[0]) for entry in service.redirect_from]
        entries += [(entry, route) for route in service.routes for entry in route.redirect_from]
        for entry, route in entries:
            hosts = route.host or service.hosts
            old, slash, path = entry.old.partition("/")
            target = next(name for name in hosts if name[0] != "*") if old else ""
            yield Moved(
                (old,) if old else hosts, f"/{path}", not slash, entry.status, target, route.path
            )
