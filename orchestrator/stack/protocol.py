"""Faults of services that speak gRPC or h2c: what HTTP/1.1 has and these have not.

They are looked for in the raw document, as those of relations are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.stack.document import Fault
from orchestrator.stack.filled import quote
from orchestrator.stack.worker import is_worker

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WORKER = "a worker (it has no `port`) answers no requests"
OF_HTTP_WITNESS = ("method", "json", "expect")
OF_HTTP_HEALTH = ("path", "expect", "version")
OF_HTTP = ("strip_prefix", "methods", "cache", "buffering", "gzip", "websocket")  # of a route


def find_protocol_faults(
    services: Mapping[str, Mapping[str, Any]], gateway: object
) -> Iterator[Fault]:
    """Yield what does not go with `protocol: grpc` or `protocol: h2c`."""
    tls = gateway.get("tls") if isinstance(gateway, dict) else None
    for name, service in services.items():
        yield from _find_health(f"services.{quote(name)}.health", service)
        if service.get("protocol") == "h2c":
            yield from _find_h2c_faults(f"services.{quote(name)}", service)
        if service.get("protocol") == "grpc":
            yield from _find_faults(f"services.{quote(name)}", service)
            if isinstance(gateway, dict) and gateway.get("door") and not isinstance(tls, dict):
                told = f"`services.{quote(name)}` speaks gRPC, which gets through it with `gateway.tls` only"
                yield Fault("gateway.door", told)
            off = isinstance(tls, dict) and tls.get("http2") is False
            if off and not is_worker(service):
                needs = f"`services.{quote(name)}` speaks gRPC, which needs HTTP/2"
                yield Fault("gateway.tls.http2", needs)


def _find_h2c_faults(place: str, service: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what NGINX cannot do with who speaks HTTP/2: it passes no WebSockets on in it."""
    if is_worker(service):
        yield Fault(f"{place}.protocol", WORKER)
    if "port" in service and _port_of_health(service) == service["port"]:
        told = "is `port`, which speaks HTTP/2: leave it out, and health is asked there by HTTP/2"
        yield Fault(f"{place}.health.port", told)
    routes = service.get("routes")
    for position, route in enumerate(routes if isinstance(routes, list) else ()):
        if isinstance(route, dict) and route.get("websocket"):
            told = "does not go with `protocol: h2c`: let the app take WebSockets at a port that speaks HTTP/1.1"
            yield Fault(f"{place}.routes.{position}.websocket", told)


def _port_of_health(service: Mapping[str, Any]) -> object:
    health = service.get("health")
    return health.get("port") if isinstance(health, dict) else None


def _find_faults(place: str, service: Mapping[str, Any]) -> Iterator[Fault]:
    if is_worker(service):
        yield Fault(f"{place}.protocol", WORKER)
        return
    witness = service.get("witness")
    for position, request in enumerate(witness if isinstance(witness, list) else ()):
        for key in OF_HTTP_WITNESS if isinstance(request, dict) else ():
            if key in request:
                told = "does not go with `protocol: grpc`: a call has a `path` only, and an empty message"
                yield Fault(f"{place}.witness.{position}.{key}", told)
    yield from _find_http(place, service)


def _find_health(place: str, service: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what is asked for by HTTP where gRPC's own health protocol is spoken, and the other way round."""
    health = service.get("health")
    if not isinstance(health, dict):
        return
    by_grpc = service.get("protocol") == "grpc" and not is_worker(service)
    if "service" in health and (not by_grpc or health.get("port") is not None):
        told = "is what gRPC's health protocol is asked for: it needs `protocol: grpc`, and no `health.port`"
        yield Fault(f"{place}.service", told)
    if by_grpc and health.get("port") == service["port"]:
        told = (
            "is `port`, which speaks gRPC: leave it out, and gRPC's health protocol is asked there"
        )
        yield Fault(f"{place}.port", told)
    for key in OF_HTTP_HEALTH if by_grpc and health.get("port") is None else ():
        if key in health:
            told = (
                "is of HTTP, and gRPC's health protocol is asked where no `health.port` speaks HTTP"
            )
            yield Fault(f"{place}.{key}", told)


def _find_http(place: str, service: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield keys that only HTTP has."""
    for key in ("assets", "error_pages"):
        if service.get(key):
            yield Fault(f"{place}.{key}", "does not go with `protocol: grpc`")
    routes = service.get("routes")
    for position, route in enumerate(routes if isinstance(routes, list) else ()):
        for key in OF_HTTP:
            if isinstance(route, dict) and key in route:
                yield Fault(f"{place}.routes.{position}.{key}", "does not go with `protocol: grpc`")
