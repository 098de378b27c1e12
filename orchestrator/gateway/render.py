"""From stack.yaml and a routing to the text of nginx.conf: pure, the same words for the same wish."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.gateway.routing import MARK, Lane, Routing, Target
from orchestrator.stack import naming

if TYPE_CHECKING:
    from jinja2 import Environment

    from orchestrator.stack.model import Route, Service, Stack

FOLDER = "/etc/stackctl"  # inside the gateway's container: its configs, one folder each
CURRENT = f"{FOLDER}/current/nginx.conf"
TEMPLATES = Path(__file__).parents[2] / "templates"
PUBLIC_PORT = 8080  # inside the gateway's container; stack.yaml says where the host publishes it
ADMIN_PORT = 8081


class Upstream(NamedTuple):
    """One color of a service as an NGINX upstream block."""

    name: str
    zone: str
    version: str
    servers: tuple[str, ...]


class Location(NamedTuple):
    """A route, and the upstream that answers it; None where no version was released yet."""

    route: Route
    service: str
    upstream: str | None


def render(stack: Stack, routing: Routing) -> str:
    """Return nginx.conf for a routing. Services that stack.yaml no longer has are left out."""
    lanes = {name: routing.lane(name) for name in stack.services}
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
                for target in (lanes[name].active, lanes[name].preview)
                if target is not None
            ],
            locations=[
                Location(route, name, _live(name, lanes[name]))
                for name, service in stack.services.items()
                for route in service.routes
            ],
            previews={
                name: naming.upstream_name(name, lane.preview.color)
                for name, lane in lanes.items()
                if lane.preview is not None
            },
            public_port=PUBLIC_PORT,
            admin_port=ADMIN_PORT,
        )
    )


def _to_upstream(stack: Stack, name: str, service: Service, target: Target) -> Upstream:
    upstream = naming.upstream_name(name, target.color)
    return Upstream(
        name=upstream,
        # NGINX keeps the addresses of a zone over a reload. A color that comes back later has
        # other addresses, so each release gets a zone of its own.
        zone=f"{upstream}:{target.release}",
        version=target.version,
        servers=tuple(
            f"{naming.replica_name(stack.name, name, target.color, replica)}:{service.port}"
            for replica in range(1, target.replicas + 1)
        ),
    )


def _live(name: str, lane: Lane) -> str | None:
    return naming.upstream_name(name, lane.active.color) if lane.active else None


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
