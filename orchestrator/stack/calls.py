"""What a witness calls by gRPC: the health service where that is public, else a method that nobody has.

An app answers that one with UNIMPLEMENTED, which is as good an answer as any: it came from the app.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator import grpc
from orchestrator.stack.arrival import choose_host
from orchestrator.stack.model import WitnessRequest
from orchestrator.stack.routes import Method  # noqa: TC001  pydantic reads it

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.stack.model import Service

UNKNOWN = "StackctlWitness"  # a method


class WitnessCall(WitnessRequest):
    """A call that the witness repeats through a release."""

    method: Method = "POST"
    service: str = ""  # that the health service is asked for

    @property
    def name(self) -> str:
        """Return that it is one of gRPC, and where it leads."""
        return f"{grpc.CALL} {self.where}"

    @property
    def message(self) -> bytes:
        """Return what is sent; of any other method than the health service's, a message without fields."""
        return grpc.write_check(self.service if self.path == grpc.CHECK else "")


def list_calls(service: Service) -> tuple[WitnessCall, ...]:
    """Return what a witness calls of a service that speaks gRPC."""
    paths = [request.path for request in service.witness] or list(_choose_paths(service))
    hosts = {request.path: request.host for request in service.witness}
    return tuple(
        WitnessCall(
            path=path,
            host=hosts.get(path) or choose_host(service, path),
            service=service.health.service or "",
        )
        for path in paths
    )


def _choose_paths(service: Service) -> Iterator[str]:
    trunks = list(dict.fromkeys(route.path.rstrip("/") for route in service.routes))
    if any(grpc.CHECK.startswith(f"{trunk}/") for trunk in trunks):
        yield grpc.CHECK
        return
    yield from (f"{trunk}/{UNKNOWN}" for trunk in trunks)
