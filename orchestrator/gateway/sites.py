"""The servers of the public listener: which names of hosts have which locations. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orchestrator.gateway.locations import Location, match_path
from orchestrator.stack.arrival import list_hosts
from orchestrator.stack.hosts import find_closeness, find_exact

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestrator.certificates.table import Certificate
    from orchestrator.stack.gateway import Gateway
    from orchestrator.stack.hosts import Redirect
    from orchestrator.stack.model import Stack
    from orchestrator.stack.routes import Route

NAMELESS = "localhost"  # the Host of a request that has none
OTHERWISE = "nameless.invalid"  # the same, where a route has that name


class Lead(NamedTuple):
    """Requests that are led to where their route is now."""

    path: str
    hosts: tuple[str, ...]  # from which they are led; none: all
    host: str | None  # to which they are led; None: theirs
    new: str  # the path of the route
    whole: bool  # whether it is a host that has moved, with all of its paths
    status: int

    @property
    def matches(self) -> tuple[str, ...]:
        """Return NGINX's patterns."""
        return match_path(self.path)

    @property
    def trunks(self) -> tuple[str, str]:
        """Return the old and the new path without a slash at their end."""
        return self.path.rstrip("/"), self.new.rstrip("/")


Place = Location | Lead


class Site(NamedTuple):
    """A server of the public listener."""

    names: tuple[str, ...]  # as NGINX writes them; never empty
    locations: tuple[Location, ...]
    leads: tuple[Lead, ...]
    is_default: bool  # whether it answers for all hosts that no other site names
    is_closed: bool = False  # whether it answers nobody
    certificates: tuple[Certificate, ...] = ()  # one of each kind; without any it has no TLS

    @property
    def has_root(self) -> bool:
        """Whether every path leads somewhere."""
        places: tuple[Place, ...] = (*self.locations, *self.leads)
        return "/" in {place.path for place in places}


def split_doors(site: Site, front: str) -> tuple[tuple[str, ...], ...]:
    """Return the servers that a site needs, each as the doors that it has: `plain` and `tls`.

    It is one for both, but behind a shared door, whose address is `front`.
    """
    if not site.certificates:
        return (("plain",),)
    return (("plain",), ("tls",)) if front else (("plain", "tls"),)


def list_leads(stack: Stack) -> Iterator[Lead]:
    """Yield what `redirect_from` of all services and routes says."""
    for service in stack.services.values():
        for redirect in service.redirect_from:
            route = service.routes[0]
            yield _to_lead(redirect, route, list_hosts(service, route))
        for route in service.routes:
            for redirect in route.redirect_from:
                yield _to_lead(redirect, route, list_hosts(service, route))


def _to_lead(redirect: Redirect, route: Route, hosts: tuple[str, ...]) -> Lead:
    return Lead(
        path=redirect.path or "/",
        hosts=(redirect.host,) if redirect.host else hosts,
        host=find_exact(hosts) if redirect.host else None,
        new=route.path,
        whole=not redirect.path,
        status=redirect.status,
    )


def list_sites(places: Sequence[Place], gateway: Gateway) -> Iterator[Site]:
    """Yield the sites, the default one first."""
    closes = gateway.unknown_hosts == "close"
    names = dict.fromkeys(host for place in places for host in place.hosts)
    nameless = OTHERWISE if NAMELESS in names else NAMELESS
    yield _to_site([nameless], _choose(places, None), is_default=True, is_closed=closes)
    alike: dict[tuple[Place, ...], list[str]] = {}
    for name in names:
        alike.setdefault(_choose(places, name), []).append(name)
    for chosen, own in alike.items():
        yield _to_site(own, chosen, is_default=False)


def _choose(places: Sequence[Place], host: str | None) -> tuple[Place, ...]:
    """Return what a host has: of places with one path that which names it most closely.

    A host that has moved has nothing that does not name it as closely.
    """
    found: dict[str, tuple[int, Place]] = {}
    moved = 0
    for place in places:
        closeness = find_closeness(place.hosts, host)
        if closeness is None:
            continue
        trunk = place.path.rstrip("/")  # `/web` and `/web/` are the same requests
        if trunk not in found or closeness > found[trunk][0]:
            found[trunk] = closeness, place
        if isinstance(place, Lead) and place.whole:
            moved = max(moved, closeness)
    return tuple(place for closeness, place in found.values() if closeness >= moved)


def _to_site(
    names: Sequence[str], places: Sequence[Place], *, is_default: bool, is_closed: bool = False
) -> Site:
    return Site(
        names=tuple(names),
        locations=tuple(place for place in places if isinstance(place, Location)),
        leads=tuple(place for place in places if isinstance(place, Lead)),
        is_default=is_default,
        is_closed=is_closed,
    )
