"""From stack.yaml and a routing to the text of nginx.conf: pure, the same words for the same wish."""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.gateway.admission import ADMITTED
from orchestrator.gateway.routing import MARK, Routing, Target
from orchestrator.pages import TEMPLATES
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jinja2 import Environment

    from orchestrator.stack.model import Color, RateLimit, Route, Service, Stack
    from orchestrator.stack.quantities import Rate

FOLDER = "/etc/stackctl"  # inside the gateway's container: its configs, one folder each
CURRENT = f"{FOLDER}/current/nginx.conf"
PUBLIC_PORT = 8080  # inside the gateway's container; stack.yaml says where the host publishes it
ADMIN_PORT = 8081
PREVIEW_PORT = 8082  # on the container's own loopback


class Upstream(NamedTuple):
    """One color of a service as an NGINX upstream block."""

    name: str
    zone: str
    color: Color
    version: str
    servers: tuple[str, ...]


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
    """A route, and the upstream that answers it; None where no version was released yet."""

    route: Route
    service: str
    upstream: str | None
    release: str
    again: str | None  # name of the location that asks another replica
    limits: tuple[Limit, ...]

    @property
    def matches(self) -> tuple[str, ...]:
        """Return NGINX's patterns: `/web` and what is below it, but not `/website`."""
        path = self.route.path
        return (path,) if path.endswith("/") else (f"= {path}", f"{path}/")


def render(stack: Stack, routing: Routing) -> str:
    """Return nginx.conf for a routing. Services that stack.yaml no longer has are left out."""
    lanes = {name: routing.lane(name) for name in stack.services}
    locations = [
        _to_location(route, position, name, lanes[name].active)
        for name, service in stack.services.items()
        for position, route in enumerate(service.routes)
    ]
    return (
        load_templates()
        .get_template("nginx.conf.j2")
        .render(
            mark=MARK,
            routing=routing,
            folder=FOLDER,
            stack=stack,
            gateway=stack.gateway,
            upstreams=[
                _to_upstream(stack, name, service, target)
                for name, service in stack.services.items()
                for target in lanes[name].listed
            ],
            locations=locations,
            limits=[limit for location in locations for limit in location.limits],
            caches=any(location.route.cache for location in locations),
            previews={
                name: naming.upstream_name(name, lane.previewed.color)
                for name, lane in lanes.items()
                if lane.previewed is not None
            },
            public_port=PUBLIC_PORT,
            admin_port=ADMIN_PORT,
            preview_port=PREVIEW_PORT,
            admitted=ADMITTED,
        )
    )


def _to_upstream(stack: Stack, name: str, service: Service, target: Target) -> Upstream:
    upstream = naming.upstream_name(name, target.color)
    return Upstream(
        name=upstream,
        # NGINX keeps the addresses of a zone over a reload. A color that comes back later has
        # other addresses, so each release gets a zone of its own.
        zone=f"{upstream}:{target.release}",
        color=target.color,
        version=target.version,
        servers=tuple(
            f"{naming.replica_name(stack.name, name, target.color, replica)}:{service.port}"
            for replica in range(1, target.replicas + 1)
        ),
    )


def _to_location(route: Route, position: int, service: str, active: Target | None) -> Location:
    return Location(
        route=route,
        service=service,
        upstream=naming.upstream_name(service, active.color) if active else None,
        release=active.release if active else "",
        again=(
            f"again_{service}_{position}"
            # What is passed on as it comes cannot be sent twice.
            if active and active.replicas > 1 and route.buffering.requests
            else None
        ),
        limits=tuple(_to_limits(route.rate_limit, f"{service}_{position}")),
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
    environment.filters["ms"] = _to_milliseconds
    return environment


def _to_milliseconds(seconds: float) -> str:
    return f"{math.ceil(seconds * 1000)}ms"
