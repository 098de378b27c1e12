"""stack.yaml as frozen values.

Every key is known, every value is checked against what it may be before anything is touched, and
what reaches the NGINX config is a number, a word of a fixed set or a string of harmless characters.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
)

from orchestrator.stack.quantities import Address, Bytes, HostAddress, Seconds

NAME = r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$"
VERSION = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$"  # what an image tag may be
URL_PATH = r"^/([A-Za-z0-9._~-]+/)*[A-Za-z0-9._~-]*$"
IMAGE = r"^[A-Za-z0-9][A-Za-z0-9._:/@{}-]*$"
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
MOUNT = r"^[a-z0-9][a-z0-9_-]*:/[A-Za-z0-9._/-]+(:ro)?$"

Color = Literal["blue", "green"]
Method = Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def _scalar_to_text(value: object) -> object:
    """Let people write `DEBUG: true` or `WORKERS: 2`: the environment only knows text."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


Name = Annotated[StrictStr, Field(pattern=NAME, max_length=40)]
Version = Annotated[StrictStr, Field(pattern=VERSION)]
UrlPath = Annotated[StrictStr, Field(pattern=URL_PATH, max_length=200)]
Image = Annotated[StrictStr, Field(pattern=IMAGE, max_length=255)]
Variable = Annotated[StrictStr, Field(pattern=VARIABLE, max_length=100)]
Text = Annotated[StrictStr, BeforeValidator(_scalar_to_text)]
Port = Annotated[StrictInt, Field(ge=1, le=65535)]
Mount = Annotated[StrictStr, Field(pattern=MOUNT, max_length=255)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Build(_Strict):
    """How to build a service's image. `VERSION` is always passed as a build argument."""

    context: StrictStr
    dockerfile: StrictStr = "Dockerfile"
    args: dict[Variable, Text] = {}


class Resources(_Strict):
    """The most a container may take."""

    memory: Annotated[Bytes, Field(ge=6 * 1024**2)] = 512 * 1024**2
    cpus: Annotated[StrictFloat, Field(gt=0, le=256)] = 1.0
    pids: Annotated[StrictInt, Field(ge=1)] = 512


class Health(_Strict):
    """The gate: so many good answers in a row from every replica, before the deadline."""

    path: UrlPath = "/health"
    interval: Annotated[Seconds, Field(ge=0.05, le=60)] = 0.5
    timeout: Annotated[Seconds, Field(ge=0.1, le=60)] = 2.0
    successes: Annotated[StrictInt, Field(ge=1, le=100)] = 3
    deadline: Annotated[Seconds, Field(ge=1, le=3600)] = 60.0


class Timeouts(_Strict):
    """How long NGINX waits for a service."""

    connect: Annotated[Seconds, Field(ge=0.1, le=75)] = 2.0
    read: Annotated[Seconds, Field(ge=0.1, le=3600)] = 60.0
    send: Annotated[Seconds, Field(ge=0.1, le=3600)] = 60.0


class Route(_Strict):
    """A path prefix of the public listener that belongs to a service."""

    path: UrlPath
    strip_prefix: StrictBool = False
    max_body: Annotated[Bytes, Field(ge=0)] = 1024**2
    timeouts: Timeouts = Timeouts()
    buffering: StrictBool = True


class WitnessRequest(_Strict):
    """A request that the witness repeats through a release, and the status it expects."""

    method: Method = "GET"
    path: Annotated[StrictStr, Field(pattern=r"^/[A-Za-z0-9._~/?=&%+-]*$", max_length=500)]
    body: dict[StrictStr, object] | None = Field(default=None, alias="json")
    expect: Annotated[StrictInt, Field(ge=100, le=599)] = 200


def _context_to_build(value: object) -> object:
    return {"context": value} if isinstance(value, str) else value


class Service(_Strict):
    """Something that is released blue-green."""

    build: Annotated[Build | None, BeforeValidator(_context_to_build)] = None
    image: Image | None = None
    version: Version = "v1"
    port: Port
    replicas: Annotated[StrictInt, Field(ge=1, le=50)] = 1
    user: Annotated[StrictStr, Field(pattern=r"^[1-9]\d{0,9}(:[1-9]\d{0,9})?$")] | None = None
    read_only: StrictBool = False
    env: dict[Variable, Text] = {}
    secrets: tuple[Variable, ...] = ()
    needs: tuple[Name, ...] = ()
    volumes: tuple[Mount, ...] = ()
    resources: Resources = Resources()
    health: Health = Health()
    routes: tuple[Route, ...] = ()
    keep: Literal["stopped", "running", "removed"] = "stopped"
    stop_grace: Annotated[Seconds, Field(ge=0, le=3600)] = 10.0
    witness: tuple[WitnessRequest, ...] = ()


class AccessoryHealth(_Strict):
    """A command inside the accessory that ends with 0 once it is ready."""

    command: Annotated[tuple[StrictStr, ...], Field(min_length=1)]
    interval: Annotated[Seconds, Field(ge=0.1, le=60)] = 1.0
    timeout: Annotated[Seconds, Field(ge=0.1, le=60)] = 5.0


class Accessory(_Strict):
    """A database or the like: started once, never released blue-green."""

    image: Image
    command: tuple[StrictStr, ...] = ()
    port: Port
    env: dict[Variable, Text] = {}
    secrets: tuple[Variable, ...] = ()
    volumes: tuple[Mount, ...] = ()
    resources: Resources = Resources()
    health: AccessoryHealth | None = None
    deadline: Annotated[Seconds, Field(ge=1, le=3600)] = 60.0
    stop_grace: Annotated[Seconds, Field(ge=0, le=3600)] = 10.0


class Gateway(_Strict):
    """The NGINX in front of everything: the only container with published ports."""

    image: Image
    listen: HostAddress = Address("0.0.0.0", 8080)  # noqa: S104  it is the public door
    admin: HostAddress = Address("127.0.0.1", 8081)
    keepalive: Annotated[Seconds, Field(ge=1, le=300, multiple_of=1)] = 15.0
    drain_timeout: Annotated[Seconds, Field(ge=2, le=3600)] = 30.0
    gzip: StrictBool = True
    resources: Resources = Resources()

    @property
    def kept(self) -> float:
        """Seconds an idle client connection really lives.

        More than what is announced (`keepalive`): a client that idles right up to the announced
        limit must never meet the moment in which NGINX closes the socket.
        """
        return self.keepalive + max(1.0, self.keepalive / 3)


class Stack(_Strict):
    """The whole of stack.yaml."""

    version: Literal[1]
    name: Annotated[Name, Field(max_length=20)]
    gateway: Gateway
    services: Annotated[dict[Name, Service], Field(min_length=1)]
    accessories: dict[Name, Accessory] = {}
