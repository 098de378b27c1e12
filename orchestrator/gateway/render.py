"""From stack.yaml and an address table to the text of nginx.conf: pure, the same words for the same
wish. Who gets the traffic is not in it: NGINX looks at a link for that, with each request.
"""

from __future__ import annotations

import math
import re
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from orchestrator.certificates.account import CHALLENGES
from orchestrator.certificates.table import NO_CERTIFICATES, CertificateTable
from orchestrator.gateway import files
from orchestrator.gateway.addresses import COLORS, AddressTable
from orchestrator.gateway.admin import (
    ADMIN_PORT,
    ASSETS,
    CLOSED,
    INNER_PORT,
    PAUSED,
    PUBLIC_PORT,
    UNREACHED,
    UNSPOKEN,
)
from orchestrator.gateway.admission import ADMITTED, HOST
from orchestrator.gateway.asset_types import ASSET_TYPES
from orchestrator.gateway.capacity import CALLS, STREAMS, find_capacity
from orchestrator.gateway.config import INNER, Config, identify, to_head
from orchestrator.gateway.files import (
    CURRENT,
    ERRORS,
    LIVE,
    PAGES,
    WITNESSES,
    cache_folder,
    config_folder,
)
from orchestrator.gateway.forwarded import list_refused
from orchestrator.gateway.lane import ALL
from orchestrator.gateway.locations import list_guests, list_inner, list_locations, name_callers
from orchestrator.gateway.sheets import list_paged, list_sheets
from orchestrator.gateway.sites import list_leads, list_sites, split_doors
from orchestrator.gateway.supplies import NO_SUPPLIES, Supplies
from orchestrator.gateway.tls import certify, list_files, secure
from orchestrator.grpc import CHECK
from orchestrator.pages import TEMPLATES, keep_compiled
from orchestrator.stack import naming
from orchestrator.stack.quantities import hold_host
from orchestrator.stack.routes import Buffering

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from jinja2 import Environment

    from orchestrator.gateway.locations import Location
    from orchestrator.stack.model import Stack

UNKNOWN = "@identity@"  # stands for the id of a config, which follows from all the rest of it
# What NGINX answers by itself to a call, by its status: the status of gRPC, and NGINX's words for it.
GRPC_ERRORS = {
    400: (13, "the gateway could not read the call"),
    401: (16, "who comes here needs a name and a password"),
    403: (7, "this address may not come here"),
    405: (12, "the path does not take this method"),
    408: (4, "the call did not arrive in time"),
    413: (8, "the call is larger than max_body of this path"),
    429: (8, "$stackctl_crowded"),
    500: (13, "the gateway could not handle the call"),
    502: (14, "$stackctl_unusable"),
    503: (14, "$stackctl_unavailable"),
    504: (4, "the service did not answer in time"),
}
OWN_HOSTS = {"localhost", "[::1]"}  # of the admin listener, beside 127.0.0.0/8
MAP_WORDS = {"default", "hostnames", "include", "volatile"}  # a map has other plans with these
# `Cache-Control` of a request that wants no stored answer. What is possessive (`++`) is never tried
# again in another way, so a long header takes no longer than its length.
_WORD = r"[!#$%&\x27*+.^_`|~0-9A-Za-z-]++"
_OTHERS = rf'(?:[ \x09]*+(?:{_WORD}(?:=(?:{_WORD}|"(?:[^"\x5c]|\x5c.)*+"))?+[ \x09]*+)?+,)*'
_WANTED = r'(?:no-cache|no-store|max-age=(?:0++|"0++"))'
FRESH = rf"^{_OTHERS}[ \x09]*+{_WANTED}[ \x09]*+(?:,|$)"
GIVEN = {  # what is the same in every config
    "public_port": PUBLIC_PORT,
    "admin_port": ADMIN_PORT,
    "inner_port": INNER_PORT,
    "current": CURRENT,
    "live": LIVE,
    "pages": PAGES,
    "errors_folder": ERRORS,
    "witnesses": WITNESSES,
    "closed": CLOSED,  # a file beside a lane, and who is said to have served
    "paused": PAUSED,
    "bridged": ASSETS,
    "assets": files.ASSETS,
    "asset_types": ASSET_TYPES,
    "admitted": ADMITTED,
    "host": HOST,
    "mark": INNER,
    "challenges": CHALLENGES,
    "buckets": range(ALL - 1),
    "colors": COLORS,
    "disk": Buffering().disk,
    "fresh": FRESH,
    "check": CHECK,
    "unreached": UNREACHED,
    "unspoken": UNSPOKEN,
    "refused": list_refused(),
    "streams": STREAMS,
    "calls": CALLS,
}


class Block(NamedTuple):
    """One color of a service as an NGINX upstream block."""

    name: str
    service: str
    color: str
    servers: tuple[str, ...]
    health: str  # the path that the gate asks
    probed: tuple[str, ...]  # where each of them is asked for its health
    grpc: bool  # whether it speaks gRPC
    h2c: bool  # whether it speaks HTTP/2 without TLS
    prior: bool  # whether it is asked for its health so, too
    called: bool  # whether it is asked for its health by gRPC, too


def render(
    stack: Stack,
    table: AddressTable,
    certificates: CertificateTable = NO_CERTIFICATES,
    supplies: Supplies = NO_SUPPLIES,
    front: str = "",
) -> Config:
    """Return the config of a stack. Every color of every service must have its addresses.

    `front` is where the shared door is, in the network that it has with gateways; empty where the
    gateway has a door of its own.
    """
    certificates = certificates if stack.gateway.tls else NO_CERTIFICATES
    supplies = supplies.only(stack)
    text = _render(stack, table, certificates, supplies, front)
    identity = identify(text.replace(UNKNOWN, ""))
    return Config(identity, table, text.replace(UNKNOWN, identity), certificates, supplies)


def _render(
    stack: Stack,
    table: AddressTable,
    certificates: CertificateTable,
    supplies: Supplies,
    front: str,
) -> str:
    callers = name_callers(stack)
    locations = list(list_locations(stack, callers, supplies))
    leads = list(list_leads(stack))
    blocks = list(_to_blocks(stack, table))
    return (
        load_templates()
        .get_template("nginx.conf.j2")
        .render(
            head=to_head(UNKNOWN, table, certificates, supplies),
            identity=UNKNOWN,
            folder=config_folder(UNKNOWN),
            front=front,
            gateway=stack.gateway,
            capacity=find_capacity(stack.gateway),
            hosts=list(_name_hosts(stack)),
            blocks=blocks,
            locations=locations,
            leads=leads,
            guests=list_guests(stack),
            sites=list(certify(list_sites((*locations, *leads), stack.gateway), certificates)),
            tls=secure(stack.gateway.tls),
            account=certificates.account,
            grpc=any(block.grpc for block in blocks),
            grpc_errors=GRPC_ERRORS,
            inner=list(list_inner(stack)),
            limits=[limit for location in locations for limit in location.limits],
            callers=callers,
            compressing=stack.gateway.gzip or any(item.route.gzip for item in locations),
            caches=_list_caches(blocks, locations),
            sheets=list_sheets(stack, supplies),
            paged=list_paged(stack),
        )
    )


def _list_caches(blocks: Iterable[Block], locations: Iterable[Location]) -> dict[str, str]:
    """Return the folder of each color of which answers are kept."""
    cached = {location.service for location in locations if location.route.cache}
    return {block.name: cache_folder(block.name) for block in blocks if block.service in cached}


def _to_blocks(stack: Stack, table: AddressTable) -> Iterator[Block]:
    for name, service in stack.services.items():
        for color in COLORS:
            upstream = table.of(name, color)
            if upstream is not None:
                probed = replace(upstream, port=service.health.port or upstream.port)
                upstream_name = naming.upstream_name(name, color)
                yield Block(
                    name=upstream_name,
                    service=name,
                    color=color,
                    servers=upstream.servers,
                    health=service.health.path,
                    probed=probed.servers,
                    grpc=service.speaks_grpc,
                    called=service.health.service is not None,
                    h2c=service.speaks_h2c,
                    prior=service.speaks_h2c and not service.health.port,
                )


def _name_hosts(stack: Stack) -> Iterator[str]:
    """Yield the names that probes call services by, as NGINX writes them: no port, no capitals."""
    asked = (service.health.host for service in stack.services.values())
    named = {re.sub(r":[0-9]+$", "", host).lower() for host in asked if host}
    for name in sorted(named - OWN_HOSTS):
        yield f"\\{name}" if name in MAP_WORDS else name


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
    environment.filters["hold_host"] = hold_host
    environment.filters["doors"] = split_doors
    environment.filters["files"] = list_files  # of a certificate
    environment.globals |= GIVEN
    return environment


def _to_milliseconds(seconds: float) -> str:
    return f"{math.ceil(seconds * 1000)}ms"
