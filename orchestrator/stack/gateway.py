"""`gateway` in stack.yaml as frozen values: the NGINX that clients meet."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StrictBool, StrictInt, ValidationError, model_validator

from orchestrator.stack.door import Door, fill_door
from orchestrator.stack.error_pages import ErrorPages
from orchestrator.stack.fields import STRICT, Image
from orchestrator.stack.part import Resources
from orchestrator.stack.quantities import Address, Bytes, HostAddress, Peers, Seconds, hold_host
from orchestrator.stack.tls import Tls
from orchestrator.stack.url import Url


class _Strict(BaseModel):
    model_config = STRICT


class GatewayResources(Resources):
    """The most NGINX may take. With less memory it could not be reloaded."""

    memory: Annotated[Bytes, Field(ge=32 * 1024**2)] = 512 * 1024**2


def parse_resources(text: str) -> GatewayResources | None:
    """Read resources from JSON; None where they are none."""
    try:
        return GatewayResources.model_validate_json(text)
    except ValidationError:
        return None


class Pause(_Strict):
    """What users of a service are told while somebody has paused it."""

    retry_after: Annotated[Seconds, Field(ge=1, le=86400, multiple_of=1)] = 60.0
    allow: tuple[Peers, ...] = ()  # addresses or networks of clients that are let in


class Gateway(_Strict):
    """The NGINX in front of everything: the only container with published ports."""

    image: Image
    listen: HostAddress = Address("0.0.0.0", 8080)  # noqa: S104  it is the public door
    admin: HostAddress = Address("127.0.0.1", 8081)
    door: Door = None  # that stacks share; None: those of this gateway alone
    url: Url | None = None  # where clients come; None: at the doors above
    tls: Tls | None = None
    keepalive: Annotated[Seconds, Field(ge=1, le=300, multiple_of=1)] = 60.0
    drain_timeout: Annotated[Seconds, Field(ge=2, le=3600)] = 30.0
    gzip: StrictBool = True
    # What who asks for a host that no route names is told: 404, or nothing at all.
    unknown_hosts: Literal["not_found", "close"] = "not_found"
    trusted_proxies: tuple[Peers, ...] = ()  # believed in what they say of clients
    # Requests in flight of one client address; None: as the memory allows, see gateway/capacity.py.
    connections: Annotated[StrictInt, Field(ge=1, le=65535)] | None = None
    pause: Pause = Pause()
    error_pages: ErrorPages = {}
    resources: GatewayResources = GatewayResources()

    @model_validator(mode="before")
    @classmethod
    def _comes_by_the_door(cls, written: Any) -> Any:
        return fill_door(written)

    @property
    def trusts_host(self) -> bool:
        """Whether a proxy on the host is trusted, which calls itself 127.0.0.1."""
        return hold_host(self.trusted_proxies)

    @property
    def kept(self) -> float:
        """Seconds an idle client connection really lives.

        More than what is announced (`keepalive`): a client that idles right up to the announced
        limit must never meet the moment in which NGINX closes the socket.
        """
        return self.keepalive + max(1.0, self.keepalive / 3)

    @property
    def departure(self) -> float:
        """Seconds that a worker of an earlier config has to leave: as its last client may idle."""
        return max(self.drain_timeout, self.kept + 1.0)
