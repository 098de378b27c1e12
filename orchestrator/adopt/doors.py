"""Which service is at which path, and where the gateway listens: many doors of compose become one."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from orchestrator.adopt.findings import Unfit
from orchestrator.adopt.images import OTHER_PROTOCOLS, split_image
from orchestrator.adopt.references import fill, rewrite
from orchestrator.adopt.short_forms import Port, to_list, to_pairs, to_port, to_text
from orchestrator.stack.hosts import check_host

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.adopt.dockerfile import Stage

WEB_PORTS = ("80", "443")
WEB_NAMES = ("web", "app", "frontend", "www", "ui", "client", "site")
KNOWN = {"nginx": "80", "httpd": "80", "caddy": "80", "nginx-unprivileged": "8080", "whoami": "80"}
_TRAEFIK_PORT = re.compile(r"traefik\.http\.services\.[^.]+\.loadbalancer\.server\.port")
_TRAEFIK_RULE = re.compile(r"traefik\.http\.routers\.[^.]+\.rule")
_PREFIX = re.compile(r"PathPrefix\(\s*[`'\"](/[A-Za-z0-9._~/-]*)[`'\"]\s*\)")
_QUOTED = re.compile(r"[`'\"]([^`'\"]+)[`'\"]")
_HOSTS = re.compile(r"Host\(([^()]*)\)")
_ANY_HOST = rf"{_HOSTS.pattern}(?:\s*\|\|\s*{_HOSTS.pattern})*"
_HOST_RULE = re.compile(
    rf"\s*(?:{_ANY_HOST}|(?:{_HOSTS.pattern}|\(\s*{_ANY_HOST}\s*\))\s*&&\s*{_PREFIX.pattern})\s*"
)


class Found(NamedTuple):
    """The port of a service, as it is written, and which key says so."""

    port: str
    key: str


class Doors(NamedTuple):
    """Where the gateway listens, and what is at which path."""

    listen: str  # as stack.yaml has it; "": the default
    opener: str  # the key that says so
    owner: str  # the service that has `/`
    paths: Mapping[str, str]  # of the services that users reach
    hosts: Mapping[str, list[str]]  # of those that are found by the name of a host


def find_port(
    service: Mapping[str, Any], stage: Stage | None, variables: Mapping[str, str]
) -> Found | None:
    """Return the port of a service where HTTP may be spoken. None: it has none."""
    for key, value in list_labels(service):
        if _TRAEFIK_PORT.fullmatch(key):
            return Found(value, "labels")
    for port in list_ports(service):
        if port.tcp and _speaks_http(port.target, variables):
            return Found(port.target, "ports")
    for entry in to_list(service.get("expose") or []):
        if _speaks_http(to_text(entry), variables):
            return Found(to_text(entry).removesuffix("/tcp"), "expose")
    if stage is not None and stage.ports:
        return Found(stage.ports[0], "EXPOSE")
    known = KNOWN.get(split_image(to_text(service.get("image"))).short)
    return Found(known, "image") if known and service.get("build") is None else None


def list_ports(service: Mapping[str, Any]) -> list[Port]:
    """Return the entries of `ports`. Raises Unfit."""
    return [to_port(entry) for entry in to_list(service.get("ports") or [])]


def list_labels(service: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the labels, those below `deploy` too. Raises Unfit."""
    deploy = service.get("deploy")
    for holder in (service, deploy if isinstance(deploy, dict) else {}):
        for key, value in to_pairs(holder.get("labels") or {}).items():
            yield key, to_text(value)


def find_rule(service: Mapping[str, Any]) -> str | None:
    """Return the rule by which Traefik finds a service."""
    return next(
        (value for key, value in list_labels(service) if _TRAEFIK_RULE.fullmatch(key)), None
    )


def find_hosts(service: Mapping[str, Any], variables: Mapping[str, str]) -> list[str]:
    """Return the hosts by which Traefik finds a service, as stack.yaml says them. Raises Unfit.

    None where a rule says more than a list of hosts and a path, or two rules have two paths.
    """
    rules = [value for key, value in list_labels(service) if _TRAEFIK_RULE.fullmatch(key)]
    paths = {tuple(_PREFIX.findall(rule)) for rule in rules}
    if len(paths) != 1 or not all(map(_HOST_RULE.fullmatch, rules)):
        return []
    hosts = dict.fromkeys(
        rewrite(name, variables)
        for rule in rules
        for listed in _HOSTS.findall(rule)
        for name in _QUOTED.findall(listed)
    )
    for host in hosts:
        try:
            check_host(fill(host, variables))
        except ValueError as error:
            raise Unfit(str(error)) from error
    return [*hosts]


def _speaks_http(port: str, variables: Mapping[str, str]) -> bool:
    try:
        text = fill(port.partition("/")[0], variables)
    except Unfit:
        return False
    return text.isdecimal() and int(text) not in OTHER_PROTOCOLS


def plan_doors(
    services: Mapping[str, Mapping[str, Any]],
    kinds: Mapping[str, str],
    names: Mapping[str, str],
    variables: Mapping[str, str],
) -> Doors:
    """Decide which service has `/`, at which paths the others are, and where the gateway listens."""
    kept = {name: services[name] for name, kind in kinds.items() if kind == "services"}
    published = [
        name for name in kept if _try(list_ports, kept[name]) or _try(find_rule, kept[name])
    ]
    proxies = [(name, services[name]) for name, kind in kinds.items() if kind == "proxy"]
    asked = [need for _, proxy in proxies for need in _list_needs(proxy) if need in kept]
    reached = published or asked or [*kept]
    ranked = sorted(reached, key=lambda name: _rank(name, kept[name], variables))
    prefixes = {name: _find_prefix(kept[name]) for name in kept}
    hosts = _choose_hosts(kept, prefixes, variables)
    owner = next((name for name in ranked if not prefixes[name] and name not in hosts), "")
    paths = {
        name: prefixes[name] or ("/" if name in hosts or name == owner else f"/{names[name]}/")
        for name in dict.fromkeys([*published, *asked, owner])
        if name
    }
    if not paths:
        paths = {name: prefixes[name] or "/" for name in ranked[:1]}
    openers = [*proxies, *((name, kept[name]) for name in ranked)]
    listen, opener = _find_listen(openers, variables)
    return Doors(listen, opener, owner, paths, hosts)


def _choose_hosts(
    services: Mapping[str, Mapping[str, Any]],
    prefixes: Mapping[str, str | None],
    variables: Mapping[str, str],
) -> dict[str, list[str]]:
    """Return the hosts of each service that Traefik finds by them, unless another has one at the same path."""
    chosen: dict[str, list[str]] = {}
    taken: set[tuple[str, str | None]] = set()
    for name, service in services.items():
        written = _try(find_hosts, service, variables) or []
        places = {(fill(each, variables), prefixes[name]) for each in written}
        if written and not places & taken:
            chosen[name] = written
            taken |= places
    return chosen


def _list_needs(service: Mapping[str, Any]) -> list[str]:
    needs = service.get("depends_on") or []
    return [str(each) for each in needs] if isinstance(needs, list | dict) else []


def _rank(name: str, service: Mapping[str, Any], variables: Mapping[str, str]) -> tuple[int, int]:
    """Order services by how much they look like what people open first."""
    published = {_try(fill, port.published, variables) for port in _try(list_ports, service) or []}
    at_web = 0 if published & {*WEB_PORTS} else 1
    return at_web, WEB_NAMES.index(name) if name in WEB_NAMES else len(WEB_NAMES)


def _find_prefix(service: Mapping[str, Any]) -> str | None:
    found = _PREFIX.search(_try(find_rule, service) or "")
    path = found[1] if found else "/"
    return (
        path if path != "/" and "//" not in path and not {".", ".."} & {*path.split("/")} else None
    )


def _find_listen(
    openers: list[tuple[str, Mapping[str, Any]]], variables: Mapping[str, str]
) -> tuple[str, str]:
    """Return where the gateway is to listen: where the first of them is published."""
    for name, service in openers:
        for position, port in enumerate(_try(list_ports, service) or []):
            if port.published and port.tcp and _speaks_http(port.target, variables):
                written = _try(rewrite, port.published, variables)
                filled = _try(fill, port.published, variables)
                if written and filled and filled.isdecimal() and 0 < int(filled) < 65536:
                    host = _find_host(port.host, variables)
                    return f"{host}{written}", f"services.{name}.ports.{position}"
    return "", ""


def _find_host(host: str, variables: Mapping[str, str]) -> str:
    """Return the address before a port. One that stack.yaml does not know is the loopback's."""
    if host in ("", "0.0.0.0", "::", "*"):  # noqa: S104  compared only
        return ""
    known = re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,3}){3}", host) or "$" in host
    return f"{_try(rewrite, host, variables) or '127.0.0.1'}:" if known else "127.0.0.1:"


def _try(act: Any, *arguments: Any) -> Any:
    try:
        return act(*arguments)
    except Unfit:
        return None
