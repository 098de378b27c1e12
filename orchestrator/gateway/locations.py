"""Routes as NGINX knows them: what each location is called, counts and looks at. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.gateway.files import users_file
from orchestrator.gateway.supplies import NO_SUPPLIES
from orchestrator.stack.arrival import list_hosts
from orchestrator.stack.guests import find_basic_auth
from orchestrator.stack.routes import Route

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.gateway.supplies import Supplies
    from orchestrator.stack.access import BasicAuth
    from orchestrator.stack.model import Service, Stack
    from orchestrator.stack.quantities import Networks, Rate
    from orchestrator.stack.routes import RateLimit


class Limit(NamedTuple):
    """How often one client may come, as NGINX counts it."""

    zone: str
    client: str  # reader or writer
    rate: Rate
    burst: int

    @property
    def pause(self) -> int:
        """Seconds after which a client that came too often may try again."""
        return math.ceil(self.rate.interval)


class Location(NamedTuple):
    """A route of a service."""

    route: Route
    service: str
    hosts: tuple[str, ...]  # that it answers for; none: all
    again: str | None  # name of the location that looks at the link again
    limits: tuple[Limit, ...]
    crowd: str  # name of the zone that counts requests in flight; where the route bounds them
    known: str | None  # the variable that says whether the client has said who it is; where cached
    unlisted: str | None  # the variable that says whether a client may not come; None: all may
    assets: (
        str | None
    )  # name of the location that has files of other versions; where there may be any
    closes: bool  # whether the service is closed while a version of it gives way to the next one
    grpc: (
        bool  # whether its requests are gRPC: passed on as they come, and errors told as gRPC does
    )
    h2c: bool = False  # whether its requests are passed on in HTTP/2
    auth: BasicAuth | None = None  # who comes in with a password; None: all do
    users: str = ""  # the file that NGINX knows them by

    @property
    def prefix(self) -> str:
        """Return what is taken from the front of a path; empty where nothing is."""
        return self.route.path.rstrip("/") if self.route.strip_prefix else ""

    @property
    def rest(self) -> str:
        """Return what follows the target in `proxy_pass`; nothing where the path is as it came."""
        return "$stackctl_rest" if self.prefix else ""

    @property
    def path(self) -> str:
        """Return what the paths of its requests begin with."""
        return self.route.path

    @property
    def matches(self) -> tuple[str, ...]:
        """Return NGINX's patterns."""
        return match_path(self.route.path)


def match_path(path: str) -> tuple[str, ...]:
    """Return NGINX's patterns of a path: `/web` and what is below it, but not `/website`."""
    return (path,) if path.endswith("/") else (f"= {path}", f"{path}/")


class Guests(NamedTuple):
    """Clients that some routes let in, and nobody else."""

    variable: str  # its name in the config; 1 of all others
    networks: tuple[Networks, ...]


def list_guests(stack: Stack) -> list[Guests]:
    """Return each list of clients that a route has in `allow`, once."""
    routes = (route for service in stack.services.values() for route in service.routes)
    lists = dict.fromkeys(route.allow for route in routes if route.allow)
    return [Guests(f"stackctl_unlisted_{n}", networks) for n, networks in enumerate(lists)]


def list_locations(
    stack: Stack,
    callers: Mapping[tuple[str, ...], str],
    supplies: Supplies = NO_SUPPLIES,
) -> Iterator[Location]:
    """Yield the routes of all services, callers named as `name_callers` names them."""
    unlisted = {guests.networks: f"${guests.variable}" for guests in list_guests(stack)}
    for name, service in stack.services.items():
        for position, route in enumerate(service.routes):
            place = f"{name}_{position}"
            hosts = list_hosts(service, route)
            found = _to_location(route, place, name, callers, service, hosts)
            auth = find_basic_auth(service, route)
            yield found._replace(
                unlisted=unlisted.get(route.allow or ()),
                assets=f"assets_{place}" if _may_have_assets(service, route) else None,
                auth=auth,
                users=users_file(supplies.users(auth)) if auth else "",
            )


def _may_have_assets(service: Service, route: Route) -> bool:
    return any(one.path.startswith(f"{route.path.rstrip('/')}/") for one in service.assets)


def list_inner(stack: Stack) -> Iterator[Location]:
    """Yield the way to each service that has a port, for other containers of the stack."""
    for name, service in stack.services.items():
        if not service.is_worker:
            yield _to_location(_lead_inside(service), f"{name}_inner", name, {}, service)


def name_callers(stack: Stack) -> dict[tuple[str, ...], str]:
    """Return a variable for each list of headers by which callers of cached routes say who they are,
    in NGINX's words for them.
    """
    lists = dict.fromkeys(
        identity
        for service in stack.services.values()
        for route in service.routes
        if (identity := _identify_caller(route))
    )
    return {identity: f"$stackctl_caller_{number}" for number, identity in enumerate(lists)}


def _identify_caller(route: Route) -> tuple[str, ...]:
    names = route.cache.identity if route.cache else ()
    return tuple(dict.fromkeys(f"$http_{name.lower().replace('-', '_')}" for name in names))


def _lead_inside(service: Service) -> Route:
    """Return the way that other containers of the stack have to a service: to all of its paths.

    It takes what the largest of the service's own routes takes, and adds nothing for browsers.
    """
    inside = Route(path="/", security_headers=False, gzip=False)
    bodies = [route.max_body for route in service.routes] or [inside.max_body]
    return inside.model_copy(update={"max_body": 0 if 0 in bodies else max(bodies)})


def _to_location(
    route: Route,
    place: str,
    name: str,
    callers: Mapping[tuple[str, ...], str],
    service: Service,
    hosts: tuple[str, ...] = (),
) -> Location:
    streams = service.speaks_grpc or not route.buffering.requests
    return Location(
        route=route,
        service=name,
        hosts=hosts,
        # What is passed on as it comes cannot be sent twice.
        again=None if streams else f"again_{place}",
        limits=tuple(_to_limits(route.rate_limit, place)),
        crowd=f"{place}_connections",
        known=callers.get(_identify_caller(route)),
        unlisted=None,
        assets=None,
        closes=service.alone,
        grpc=service.speaks_grpc,
        h2c=service.speaks_h2c,
    )


def _to_limits(wanted: RateLimit | None, zone: str) -> Iterator[Limit]:
    if wanted is None:
        return
    for client, rate in (("reader", wanted.reads), ("writer", wanted.writes)):
        if rate is not None:
            burst = rate.per_second if wanted.burst is None else wanted.burst
            yield Limit(f"{zone}_{client}", client, rate, burst)
