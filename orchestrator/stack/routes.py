"""Routes as frozen values: what the public listener does for each path of a service."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationInfo,
    field_validator,
)

from orchestrator.stack.access import OfRoute
from orchestrator.stack.fields import STRICT, UrlPath
from orchestrator.stack.forms import HEADER
from orchestrator.stack.hosts import Hosts, Redirects
from orchestrator.stack.quantities import (
    Bytes,
    Peers,
    RequestRate,
    Seconds,
    WrittenRate,
)

Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


Header = Annotated[StrictStr, Field(pattern=HEADER, max_length=100)]


class _Strict(BaseModel):
    model_config = STRICT


class Timeouts(_Strict):
    """How long NGINX waits for a service."""

    # More than a second: that is when Linux sends again what a full listen queue has dropped. An app
    # with a short one (Python's http.server has 5) loses no request of a burst then.
    connect: Annotated[Seconds, Field(ge=0.1, le=75)] = 1.2
    read: Annotated[Seconds, Field(ge=0.1, le=3600)] = 60.0
    send: Annotated[Seconds, Field(ge=0.1, le=3600)] = 60.0


class RateLimit(_Strict):
    """What one client address may send; beyond it, and beyond the burst, it gets 429."""

    reads: RequestRate | None = None  # GET and HEAD
    writes: RequestRate | None = None  # all other methods but OPTIONS, which is not counted
    burst: Annotated[StrictInt, Field(ge=0, le=1_000_000)] | None = None  # None: one second's worth


class Cache(_Strict):
    """Answers to GET that the gateway keeps, for clients that do not say who they are.

    `Cache-Control` of the answer goes before `ttl`; its `stale-while-revalidate` is kept to, and `Vary`.
    """

    ttl: Annotated[Seconds, Field(ge=1, le=86400, multiple_of=1)] = 1.0
    identity: tuple[Header, ...] = (
        "Authorization",
        "Cookie",
        "X-Api-Key",
    )  # who says it with these


def _refuse_tiny(size: int) -> int:
    if 0 < size < 1024**2:
        msg = "expected 0, or at least `1m`"  # NGINX takes no less than two of its buffers
        raise ValueError(msg)
    return size


class Buffering(_Strict):
    """Whether NGINX takes a whole request before it passes it on, and a whole answer."""

    requests: StrictBool = True
    responses: StrictBool = True
    # Bytes of an answer that are kept on disk for a client that reads slowly, beside 140 KiB in memory.
    disk: Annotated[Bytes, Field(ge=0), AfterValidator(_refuse_tiny)] = 4 * 1024**2


def _rate_to_limit(value: object) -> object:
    return {"reads": value, "writes": value} if isinstance(value, str) else value


def _switch_to_buffering(value: object) -> object:
    return {"requests": value, "responses": value} if isinstance(value, bool) else value


class Route(_Strict):
    """A path of the public listener that belongs to a service, with all that is below it."""

    path: UrlPath
    host: Hosts = ()  # none: those of the service
    redirect_from: Redirects = ()
    strip_prefix: StrictBool = False
    methods: tuple[Method, ...] = ()  # none: all
    # Addresses or networks of clients; None: all. An empty list would be taken for nobody.
    allow: Annotated[tuple[Peers, ...], Field(min_length=1)] | None = None
    basic_auth: OfRoute | None = None  # None: as the service says
    rate_limit: (
        Annotated[
            RateLimit,
            BeforeValidator(_rate_to_limit, json_schema_input_type=WrittenRate | RateLimit),
        ]
        | None
    ) = None
    # Requests in flight of one client address, WebSockets among them; None: as many as the gateway says.
    connections: Annotated[StrictInt, Field(ge=1, le=65535)] | None = None
    cache: Cache | None = None
    max_body: Annotated[Bytes, Field(ge=0)] = 16 * 1024**2
    timeouts: Timeouts = Timeouts()
    buffering: Annotated[
        Buffering,
        BeforeValidator(_switch_to_buffering, json_schema_input_type=StrictBool | Buffering),
    ] = Buffering()
    gzip: StrictBool | None = None  # None: as the gateway does
    security_headers: StrictBool = True
    websocket: UrlPath | None = None  # where the witness opens one; `true`: at the route's path

    @field_validator("websocket", mode="before", json_schema_input_type=UrlPath | StrictBool | None)
    @classmethod
    def _switch_to_path(cls, value: object, info: ValidationInfo) -> object:
        """Let people write `websocket: true`: at the route's own path, which is read before."""
        if isinstance(value, bool):
            return info.data.get("path") if value else None
        return value
