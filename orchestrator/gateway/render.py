"""From stack.yaml and an address table to the text of nginx.conf: pure, the same words for the same
wish. Who gets the traffic is not in it: NGINX looks at a link for that, with each request.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.gateway.addresses import COLORS, AddressTable
from orchestrator.gateway.admin import ADMIN_PORT, CLOSED, INNER_PORT, PUBLIC_PORT
from orchestrator.gateway.admission import ADMITTED, HOST
from orchestrator.gateway.capacity import find_capacity
from orchestrator.gateway.config import INNER, Config, identify, to_head
from orchestrator.gateway.files import CURRENT, LIVE, WITNESSES, cache_folder, config_folder
from orchestrator.gateway.forwarded import list_refused
from orchestrator.gateway.lane import ALL
from orchestrator.pages import TEMPLATES, keep_compiled
from orchestrator.stack import naming
from orchestrator.stack.routes import Buffering, Route

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from jinja2 import Environment

    from orchestrator.stack.model import Service, Stack
    from orchestrator.stack.quantities import Rate
    from orchestrator.stack.routes import RateLimit

UNKNOWN = "@identity@"  # stands for the id of a config, which follows from all the rest of it
OWN_HOSTS = {"localhost", "[::1]"}  # of the admin listener, beside 127.0.0.0/8
MAP_WORDS = {"default", "hostnames", "include", "volatile"}  # a map has other plans with these
# `Cache-Control` of a request that wants no stored answer. What is possessive (`++`) is never tried
# again in another way, so a long header takes no longer than its length.
_WORD = r"[!#$%&\x27*+.^_`|~0-9A-Za-z-]++"
_OTHERS = rf'(?:[ \x09]*+(?:{_WORD}(?:=(?:{_WORD}|"(?:[^"\x5c]|\x5c.)*+"))?+[ \x09]*+)?+,)*'
_WANTED = r'(?:no-cache|no-store|max-age=(?:0++|"0++"))'
FRESH = rf"^{_OTHERS}[ \x09]*+{_WANTED}[ \x09]*+(?:,|$)"


class Block(NamedTuple):
    """One color of a service as an NGINX upstream block."""

    name: str
    service: str
    color: str
    servers: tuple[str, ...]
    health: str  # the path that the gate asks
    probed: tuple[str, ...]  # where each of them is asked for its health


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
    again: str | None  # name of the location that looks at the link again
    limits: tuple[Limit, ...]
    crowd: str  # name of the zone that counts requests in flight; where the route bounds them
    known: str | None  # the variable that says whether the client has said who it is; where cached
    closes: bool  # whether the service is closed while a version of it gives way to the next one

    @property
    def prefix(self) -> str:
        """Return what is taken from the front of a path; empty where nothing is."""
        return self.route.path.rstrip("/") if self.route.strip_prefix else ""

    @property
    def rest(self) -> str:
        """Return what follows the target in `proxy_pass`; nothing where the path is as it came."""
        return "$stackctl_rest" if self.prefix else ""

    @property
    def matches(self) -> tuple[str, ...]:
        """Return NGINX's patterns: `/web` and what is below it, but not `/website`."""
        path = self.route.path
        return (path,) if path.endswith("/") else (f"= {path}", f"{path}/")


def render(stack: Stack, table: AddressTable) -> Config:
    """Return the config of a stack. Every color of every service must have its addresses."""
    text = _render(stack, table, UNKNOWN)
    identity = identify(text.replace(UNKNOWN, ""))
    return Config(identity, table, text.replace(UNKNOWN, identity))


def _render(stack: Stack, table: AddressTable, identity: str) -> str:
    callers = _name_callers(stack)
    locations = list(_to_locations(stack, callers))
    cached = {location.service for location in locations if location.route.cache}
    blocks = list(_to_blocks(stack, table))
    return (
        load_templates()
        .get_template("nginx.conf.j2")
        .render(
            head=to_head(identity, table),
            identity=identity,
            folder=config_folder(identity),
            current=CURRENT,
            live=LIVE,
            witnesses=WITNESSES,
            buckets=range(ALL - 1),
            gateway=stack.gateway,
            capacity=find_capacity(stack.gateway),
            disk=Buffering().disk,
            fresh=FRESH,
            hosts=list(_name_hosts(stack)),
            blocks=blocks,
            locations=locations,
            inner=list(_to_inner(stack)),
            inner_port=INNER_PORT,
            mark=INNER,
            limits=[limit for location in locations for limit in location.limits],
            callers=callers,
            compressing=stack.gateway.gzip or any(item.route.gzip for item in locations),
            caches={
                block.name: cache_folder(block.name) for block in blocks if block.service in cached
            },
            public_port=PUBLIC_PORT,
            admin_port=ADMIN_PORT,
            admitted=ADMITTED,
            host=HOST,
            refused=list_refused(),
        )
    )


def _to_locations(stack: Stack, callers: Mapping[tuple[str, ...], str]) -> Iterator[Location]:
    for name, service in stack.services.items():
        for position, route in enumerate(service.routes):
            place = f"{name}_{position}"
            yield _to_location(route, place, name, callers, closes=service.alone)


def _to_inner(stack: Stack) -> Iterator[Location]:
    for name, service in stack.services.items():
        if not service.is_worker:
            yield _to_location(
                _lead_inside(service), f"{name}_inner", name, {}, closes=service.alone
            )


def _to_blocks(stack: Stack, table: AddressTable) -> Iterator[Block]:
    for name, service in stack.services.items():
        for color in COLORS:
            upstream = table.of(name, color)
            if upstream is not None:
                probed = replace(upstream, port=service.health.port or upstream.port)
                upstream_name = naming.upstream_name(name, color)
                path = service.health.path
                yield Block(upstream_name, name, color, upstream.servers, path, probed.servers)


def _name_hosts(stack: Stack) -> Iterator[str]:
    """Yield the names that probes call services by, as NGINX writes them: no port, no capitals."""
    asked = (service.health.host for service in stack.services.values())
    named = {re.sub(r":[0-9]+$", "", host).lower() for host in asked if host}
    for name in sorted(named - OWN_HOSTS):
        yield f"\\{name}" if name in MAP_WORDS else name


def _name_callers(stack: Stack) -> dict[tuple[str, ...], str]:
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
    service: str,
    callers: Mapping[tuple[str, ...], str],
    *,
    closes: bool,
) -> Location:
    return Location(
        route=route,
        service=service,
        # What is passed on as it comes cannot be sent twice.
        again=f"again_{place}" if route.buffering.requests else None,
        limits=tuple(_to_limits(route.rate_limit, place)),
        crowd=f"{place}_connections",
        known=callers.get(_identify_caller(route)),
        closes=closes,
    )


def _to_limits(wanted: RateLimit | None, zone: str) -> Iterator[Limit]:
    if wanted is None:
        return
    for client, rate in (("reader", wanted.reads), ("writer", wanted.writes)):
        if rate is not None:
            burst = rate.per_second if wanted.burst is None else wanted.burst
            yield Limit(f"{zone}_{client}", client, rate, burst)


@cache
def load_templates() -> Environment:
    """Return the templates' environment. The first call takes some 100 ms, so it is worth making
    while something else is waited for.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701  this is no HTML; every value was checked by the model
    )
    environment.bytecode_cache = keep_compiled(environment)
    environment.filters["ms"] = _to_milliseconds
    environment.globals["closed"] = CLOSED  # the file beside a lane, and who is said to have served
    return environment


def _to_milliseconds(seconds: float) -> str:
    return f"{math.ceil(seconds * 1000)}ms"
