"""`ports`, `expose` and Traefik's labels of a service: its port, and the path that users find it at."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from orchestrator.adopt.doors import Found, find_port, list_labels, list_ports
from orchestrator.adopt.findings import Unfit
from orchestrator.adopt.images import DATABASES, split_image

if TYPE_CHECKING:
    from orchestrator.adopt.parts import Part

MOST_BODY = "100m"  # of an upload: compose had no limit
RULE = re.compile(r"traefik\.http\.routers\.[^.]+\.rule")
TLS = re.compile(r"traefik\.http\.routers\.[^.]+\.tls(\.|$)")
TAKEN = re.compile(
    r"traefik\.(enable|docker\.network|http\.routers\.[^.]+\.(rule|service|entrypoints)"
    r"|http\.services\.[^.]+\.loadbalancer\.server\.port)",
    re.IGNORECASE,
)
PATH_ONLY = re.compile(r"\s*PathPrefix\([^()]*\)\s*")
NO_ROUTE = "nobody reaches it from outside, as in compose"


def put_port(part: Part) -> None:
    """Give a part its port. Raises Unfit where it is no number."""
    if part.group == "accessories":
        image = split_image(part.fill(part.source.get("image"))).short
        if image in DATABASES:
            part.keys["port"] = DATABASES[image]
        return
    if part.is_worker:
        return
    found = find_port(part.source, part.stage, part.setting.variables) or Found("", "")
    port = part.number(found.port)
    reason = part.fits("port", port)
    if reason:
        raise Unfit(f"its port: {reason}")
    part.keys["port"] = port
    if found.key == "EXPOSE":
        part.took("EXPOSE", "EXPOSE of the Dockerfile is `port`")


def tell_ports(part: Part) -> None:
    """Say what became of each of its doors."""
    doors = part.setting.doors
    found = find_port(part.source, part.stage, part.setting.variables)
    for position, port in enumerate(list_ports(part.source)):
        at = f"ports.{position}"
        if found is None or port.target != found.port:
            part.leave(
                at, f"port `{port.target}`: the gateway speaks HTTP, and with one port of a service"
            )
        elif part.at(at) == doors.opener:
            part.changed(at, f"`{doors.listen}` is the gateway's, at `gateway.listen`")
        else:
            path = doors.paths.get(part.written, "")
            part.changed(at, f"no port of its own: it is at `{path}` of the gateway")


def put_routes(part: Part) -> None:
    """Give a service its path."""
    path = part.setting.doors.paths.get(part.written)
    if path is None:
        part.comments["port"] = [f"No routes: {NO_ROUTE}."]
        return
    route: dict[str, Any] = {"path": path, "max_body": MOST_BODY}
    if path.endswith("/") and path != "/" and not _has_prefix(part, path):
        route = {"path": path, "strip_prefix": True, "max_body": MOST_BODY}
        part.comments["routes"] = [
            "It had a port of its own; here it shares the gateway's. Choose a path that it likes."
        ]
    hosts = part.setting.doors.hosts.get(part.written)
    if hosts:
        route = {"path": path, "host": hosts if len(hosts) > 1 else hosts[0], **route}
    part.keys["routes"] = [route]


def _has_prefix(part: Part, path: str) -> bool:
    return any(f"`{path}`" in value for _, value in list_labels(part.source))


def tell_labels(part: Part) -> None:
    """Say what became of the labels."""
    labels = dict(list_labels(part.source))
    if not any(key.startswith("traefik.") for key in labels):
        part.leave("labels", "nobody reads them: containers have the labels of stackctl")
        return
    part.changed("labels", "Traefik's rules are `routes`, and its port is `port`")
    for key, value in labels.items():
        reason = _find_misfit(key, value, hosts=part.written in part.setting.doors.hosts)
        if reason:
            part.leave(f"labels.{key}", reason)


def _find_misfit(key: str, value: str, *, hosts: bool) -> str:
    """Return why a label beside those of Traefik's rules is left out; nothing where it is not."""
    if RULE.fullmatch(key) and not (hosts or PATH_ONLY.fullmatch(value)):
        return "names of hosts could not be taken over: see `host` of a route"
    if TAKEN.fullmatch(key):
        return ""
    if TLS.match(key):
        return "the gateway has certificates of its own: see `gateway.tls`"
    if key.startswith("traefik."):
        return "see what a route and the gateway have keys for"
    return "nobody reads it: containers have the labels of stackctl"
