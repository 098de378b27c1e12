"""Faults of routes: to whom a path of a host belongs, and what is led elsewhere.

They are looked for in the raw document, as those of relations are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.certificates.account import CHALLENGES
from orchestrator.stack.document import Fault
from orchestrator.stack.filled import quote
from orchestrator.stack.hosts import find_exact

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

Services = dict[str, dict[str, Any]]
Owners = dict[
    tuple[str | None, str], str
]  # of a host (None: all) and a path without its last slash


def find_route_faults(services: Services) -> Iterator[Fault]:
    """Yield paths that are somebody's already, and what does not fit to its own route."""
    owners: Owners = {}
    for place, name, route, hosts in list_routes(services):
        path = route["path"]
        trunk = path.rstrip("/")  # `/web` and `/web/` are the same requests
        yield from _claim(owners, f"{place}.path", path, hosts, f"service `{quote(name)}`")
        if route.get("strip_prefix") is True and not path.endswith("/"):
            yield Fault(
                f"{place}.strip_prefix",
                f"expected a path that ends with `/`, got `{quote(path)}`",
            )
        yield from _websocket_faults(place, trunk, route)
    yield from _redirect_faults(services, owners)


def find_gateway_host_faults(gateway: object, services: Services) -> Iterator[Fault]:
    """Yield that no host is unknown, where one is to get no answer."""
    if not isinstance(gateway, dict) or gateway.get("unknown_hosts") != "close":
        return
    for place, _, _, hosts in list_routes(services):
        if not hosts:
            yield Fault(
                "gateway.unknown_hosts",
                f"`close` turns nobody away: `{place}` answers for every host. Give it a `host`",
            )
            return


def find_challenge_faults(gateway: object, services: Services) -> Iterator[Fault]:
    """Yield what a service would wait for in vain, since the gateway answers an authority by itself."""
    tls = gateway.get("tls") if isinstance(gateway, dict) else None
    if not isinstance(tls, dict) or not tls.get("acme"):
        return
    for place, _, route, _ in list_routes(services):
        if route["path"].startswith(CHALLENGES.rstrip("/")):
            told = "is answered by the gateway itself: leave out the route, or `gateway.tls.acme`"
            yield Fault(f"{place}.path", told)


def list_routes(
    services: Services,
) -> Iterator[tuple[str, str, dict[str, Any], list[str]]]:
    """Yield each route that has a path: its place, its service, itself, and its hosts."""
    for name, service in services.items():
        routes = service.get("routes")
        for position, route in enumerate(routes if isinstance(routes, list) else ()):
            if isinstance(route, dict) and isinstance(route.get("path"), str):
                hosts = _list(route.get("host")) or _list(service.get("hosts"))
                yield f"services.{quote(name)}.routes.{position}", name, route, hosts


def _list(value: object) -> list[str]:
    values = value if isinstance(value, list) else [value]
    return list(dict.fromkeys(one for one in values if isinstance(one, str)))


def _claim(
    owners: Owners, place: str, path: str, hosts: Sequence[str], owner: str
) -> Iterator[Fault]:
    """Yield that a path of one of the hosts has an owner; else it has this one from now on."""
    trunk = path.rstrip("/")
    for host in hosts or (None,):
        if (host, trunk) in owners:
            at = f" at `{quote(host)}`" if host else ""
            owned = owners[host, trunk]
            yield Fault(place, f"`{quote(path)}`{at} already belongs to {owned}")
        owners.setdefault((host, trunk), owner)


def _redirect_faults(services: Services, owners: Owners) -> Iterator[Fault]:
    served = {host for host, _ in owners if host}
    for place, entry, hosts in _list_redirects(services):
        old = entry.get("from") if isinstance(entry, dict) else entry
        if not isinstance(old, str):
            continue
        host, slash, path = old.partition("/")
        if hosts is None:
            yield Fault(place, "leads nowhere: the service has no route")
        elif host and find_exact(hosts) is None:
            yield Fault(place, "leads to no host: the route needs a `host` without a star")
        elif host in served and not slash:
            yield Fault(place, f"`{quote(host)}` is the host of a route: it would lead in a circle")
        else:
            yield from _claim(owners, place, f"/{path}", [host] if host else hosts, f"`{place}`")


def _list_redirects(services: Services) -> Iterator[tuple[str, object, list[str] | None]]:
    """Yield each entry of `redirect_from`: its place, itself, and the hosts of the route that it leads to.

    None in their place where there is no route.
    """
    first: dict[str, list[str]] = {}
    for place, name, route, hosts in list_routes(services):
        first.setdefault(name, hosts)
        yield from _list_entries(place, route, hosts)
    for name, service in services.items():
        yield from _list_entries(f"services.{quote(name)}", service, first.get(name))


def _list_entries(
    place: str, part: Mapping[str, Any], hosts: list[str] | None
) -> Iterator[tuple[str, object, list[str] | None]]:
    entries = part.get("redirect_from")
    for position, entry in enumerate(entries if isinstance(entries, list) else ()):
        yield f"{place}.redirect_from.{position}", entry, hosts


def _websocket_faults(place: str, trunk: str, route: dict[str, Any]) -> Iterator[Fault]:
    path, methods = route.get("websocket"), route.get("methods")
    if isinstance(path, str) and path != route["path"] and not path.startswith(f"{trunk}/"):
        yield Fault(
            f"{place}.websocket",
            f"`{quote(path)}` is not at or below the route's path `{quote(route['path'])}`",
        )
    if path and isinstance(methods, list) and methods and "GET" not in methods:
        yield Fault(f"{place}.websocket", "opens with a GET, which `methods` does not list")
