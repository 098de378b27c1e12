"""Faults of workers: services without a port, to which no request leads.

They are looked for in the raw document, as those of relations are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestrator.stack.document import Fault
from orchestrator.stack.filled import quote

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

# What leads requests to a service, or is for those that make them.
REQUESTED = ("routes", "hosts", "redirect_from", "witness", "basic_auth", "error_pages")
OF_REQUESTS = ("path", "port", "host", "expect", "version", "successes")  # of `health`
OF_WORKERS = ("command", "steady")


def is_worker(service: Mapping[str, Any]) -> bool:
    """Whether a service as it is written is a worker."""
    return "port" not in service


def find_worker_faults(services: Mapping[str, Mapping[str, Any]]) -> Iterator[Fault]:
    """Yield what only a service with a port may have, or only a worker."""
    for name, service in services.items():
        place = f"services.{quote(name)}"
        if service.get("port", 1) is None:
            yield Fault(f"{place}.port", "expected a whole number; a worker has no `port` at all")
        find = _find_faults_of_worker if is_worker(service) else _find_faults_of_service
        yield from find(place, service, service.get("health"))


def _find_faults_of_worker(
    place: str, service: Mapping[str, Any], health: object
) -> Iterator[Fault]:
    for key in REQUESTED:
        if service.get(key):
            yield Fault(f"{place}.port", f"is required where there are `{key}`")
    for key in OF_REQUESTS:
        if isinstance(health, dict) and key in health:
            yield Fault(
                f"{place}.health.{key}",
                "asks by requests, which a worker (it has no `port`) does not answer:"
                " expected `command`, or nothing",
            )
    if service.get("drain_timeout") is not None:
        yield Fault(
            f"{place}.drain_timeout",
            "a worker (it has no `port`) has no answers to wait for: expected `stop_grace`",
        )
    if service.get("keep") == "running":
        yield Fault(
            f"{place}.keep",
            "two versions of a worker (it has no `port`) would work: expected `stopped` or `removed`",
        )


def _find_faults_of_service(
    place: str, service: Mapping[str, Any], health: object
) -> Iterator[Fault]:
    for key in OF_WORKERS:
        if isinstance(health, dict) and health.get(key):
            yield Fault(
                f"{place}.health.{key}",
                "is for workers, which have no `port`; a service is asked at `health.path`",
            )
    if service.get("strategy") == "recreate" and service.get("keep") == "running":
        yield Fault(
            f"{place}.keep",
            "two versions would run, which `strategy: recreate` rules out: expected `stopped` or `removed`",
        )
