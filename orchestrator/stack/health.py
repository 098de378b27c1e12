"""`health` in stack.yaml: what is asked of a candidate, and which answer is a good one.

A worker answers no requests: it is asked by a command, or only has to go on running. An app that speaks gRPC
is asked by gRPC's own health protocol, unless it has a port for HTTP.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, Field, StrictInt, StrictStr

from orchestrator import grpc
from orchestrator.stack.fields import STRICT, Argument, Port, UrlPath
from orchestrator.stack.forms import CALLED, HOST
from orchestrator.stack.quantities import Seconds

# Not those above: with 502 the gateway says by itself that nobody was reached.
Status = Annotated[StrictInt, Field(ge=200, le=499)]


Interval = Annotated[Seconds, Field(ge=0.02, le=60)]
Patience = Annotated[Seconds, Field(ge=0.1, le=60)]
Deadline = Annotated[Seconds, Field(ge=1, le=3600)]
# What a worker's health has where stack.yaml does not say: a command takes longer than a request.
OF_WORKER = {"interval": "1s", "timeout": "5s"}
OF_GRPC = {"path": grpc.CHECK, "service": ""}  # where its health has no port of its own


def _status_to_list(value: object) -> object:
    return [value] if isinstance(value, int) and not isinstance(value, bool) else value


def fit_health(cls: object, service: object) -> object:  # noqa: ARG001  the form of pydantic
    """Give health the defaults of a worker or of gRPC, in a service as it is written."""
    health = service.get("health", {}) if isinstance(service, dict) else None
    if not isinstance(service, dict) or not isinstance(health, dict):
        return service
    if service.get("port") is None:
        return service | {"health": OF_WORKER | health}
    if service.get("protocol") == "grpc" and health.get("port") is None:
        return service | {"health": OF_GRPC | health}
    return service


class Health(BaseModel):
    """The gate: so many good answers in a row from every replica, before the deadline."""

    model_config = STRICT

    path: UrlPath = "/health"
    port: Port | None = None  # None: the service's
    service: Annotated[StrictStr, Field(pattern=CALLED, max_length=127)] | None = (
        None  # that gRPC is asked for; "": the app as a whole; None: HTTP is spoken
    )
    host: Annotated[StrictStr, Field(pattern=HOST, max_length=255)] | None = None  # Host of a probe
    expect: Annotated[
        tuple[Status, ...],
        BeforeValidator(_status_to_list, json_schema_input_type=Status | tuple[Status, ...]),
    ] = ()  # none: any 2xx
    version: Literal["check", "ignore"] = "check"  # what an answer says of its version
    interval: Interval = 0.1
    timeout: Patience = 2.0  # for a whole answer
    successes: Annotated[StrictInt, Field(ge=1, le=100)] = 3
    deadline: Deadline = 60.0
    # Of a worker: what ends with 0 inside of it once it is ready; none: it has run for `steady`.
    command: tuple[Argument, ...] = ()
    steady: Annotated[Seconds, Field(ge=0.1, le=3600)] = 5.0

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers of a probe."""
        named = {} if self.host is None else {"Host": self.host}
        return named if self.service is None else named | grpc.HEADERS

    @property
    def body(self) -> bytes:
        """Return the body of a probe; empty of one by HTTP, which is a GET."""
        return b"" if self.service is None else grpc.write_check(self.service)

    def expects(self, status: int) -> bool:
        """Whether a status is that of a good answer."""
        if self.expect:
            return status in self.expect
        return HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES
