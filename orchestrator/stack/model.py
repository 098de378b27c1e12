"""stack.yaml as frozen values.

Every key is known, every value is checked against what it may be before anything is touched, and
what reaches the NGINX config is a number, a word of a fixed set or a string of harmless characters.
"""

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
    model_validator,
)

from orchestrator.stack.access import BasicAuth
from orchestrator.stack.assets import AssetFolders
from orchestrator.stack.error_pages import ErrorPages
from orchestrator.stack.fields import (
    STRICT,
    Argument,
    File,
    Image,
    Name,
    Port,
    Text,
    Variable,
    Version,
    Word,
    refuse_own,
)
from orchestrator.stack.forms import (
    BUILD_SECRET,
    HOST,
    METRICS,
    REQUEST,
    VERSIONED_IMAGE,
    VOLUME,
)
from orchestrator.stack.gateway import Gateway
from orchestrator.stack.health import Health, fit_health
from orchestrator.stack.hosts import Hosts, Redirects
from orchestrator.stack.job import Job
from orchestrator.stack.part import ExternalName, Part
from orchestrator.stack.quantities import Publication, Seconds, Subnet
from orchestrator.stack.registry import Registry
from orchestrator.stack.routes import Method, Route

Color = Literal["blue", "green"]
DRILL_OF = "x-drill-of"  # of all keys that begin so the only one that is read

VersionedImage = Annotated[StrictStr, Field(pattern=VERSIONED_IMAGE, max_length=255)]
BuildSecret = Annotated[
    StrictStr, Field(pattern=BUILD_SECRET, max_length=200), AfterValidator(refuse_own)
]
VolumeName = Annotated[StrictStr, Field(pattern=VOLUME, max_length=100)]
Metrics = Annotated[StrictStr, Field(pattern=METRICS, max_length=4096)]


class _Strict(BaseModel):
    model_config = STRICT


class Build(_Strict):
    """How to build a service's image. `VERSION` is always passed as a build argument."""

    context: File
    dockerfile: File = "Dockerfile"
    args: dict[Variable, Text] = {}
    target: Word | None = None
    secrets: tuple[BuildSecret, ...] = ()
    ssh: tuple[Word, ...] = ()


class WitnessRequest(_Strict):
    """A request that the witness repeats through a release, and the status it expects.

    Without one: 200, or what the service answered to the first of them.
    """

    method: Method = "GET"
    path: Annotated[StrictStr, Field(pattern=REQUEST, max_length=500)]
    host: Annotated[StrictStr, Field(pattern=HOST, max_length=255)] | None = (
        None  # None: the route's
    )
    body: dict[StrictStr, object] | None = Field(default=None, alias="json")
    expect: Annotated[StrictInt, Field(ge=100, le=599)] | None = None

    @property
    def where(self) -> str:
        """Return the host, where it matters, and the path."""
        return f"{self.host or ''}{self.path}"

    @property
    def name(self) -> str:
        """Return the method, and where it leads."""
        return f"{self.method} {self.where}"


Command = Annotated[tuple[Argument, ...], Field(min_length=1)]


def _context_to_build(value: object) -> object:
    return {"context": value} if isinstance(value, str) else value


class Migration(_Strict):
    """A command that runs once, in a container of the new version, before its replicas start."""

    command: Command
    deadline: Annotated[Seconds, Field(ge=1, le=86400)] = 300.0


def _command_to_migration(value: object) -> object:
    return {"command": value} if isinstance(value, list) else value


class Service(Part):
    """Something that is released. Without a port it is a worker: it answers no requests."""

    build: Annotated[
        Build | None,
        BeforeValidator(_context_to_build, json_schema_input_type=File | Build | None),
    ] = None
    image: VersionedImage | None = None
    version: Version = "v1"
    port: Port | None = None
    protocol: Literal["http", "h2c", "grpc"] = "http"  # of its port
    replicas: Annotated[StrictInt, Field(ge=1, le=50)] = 1
    read_only: StrictBool = False
    needs: tuple[Name, ...] = ()
    companions: tuple[Name, ...] = Field(default=(), alias="with")  # released together with it
    migrate: (
        Annotated[
            Migration,
            BeforeValidator(_command_to_migration, json_schema_input_type=Command | Migration),
        ]
        | None
    ) = None
    health: Health = Health()
    hosts: Hosts = ()  # of its routes that do not say; none: all
    basic_auth: BasicAuth | None = None  # of its routes that do not say
    routes: tuple[Route, ...] = ()
    assets: AssetFolders = ()
    error_pages: ErrorPages = Field(default={})  # before the gateway's
    redirect_from: Redirects = ()  # to the first route
    keep: Literal["stopped", "running", "removed"] = "stopped"
    # Seconds that the previous version has for its last answers; None: as long as the gateway says.
    drain_timeout: Annotated[Seconds, Field(ge=2, le=86400)] | None = None
    strategy: Literal["blue-green", "recreate"] = "blue-green"
    # As the first process of a container, an app that does not handle SIGTERM ignores it.
    init: StrictBool = True
    witness: tuple[WitnessRequest, ...] = ()

    _fit_health = model_validator(mode="before")(fit_health)

    @property
    def alone(self) -> bool:
        """Whether no two of its colors may run at the same time."""
        return self.strategy == "recreate"

    @property
    def speaks_grpc(self) -> bool:
        """Whether its requests are gRPC, which needs HTTP/2 from the client to the app."""
        return self.protocol == "grpc"

    @property
    def speaks_h2c(self) -> bool:
        """Whether it speaks HTTP/2 without TLS, and no other HTTP at its port."""
        return self.protocol == "h2c"

    @property
    def may_be_at_work(self) -> bool:
        """Whether it does things that no request asked for, as workers and single writers do."""
        return self.is_worker or self.alone

    @property
    def is_worker(self) -> bool:
        """Whether nobody sends it requests."""
        return self.port is None


class AccessoryHealth(_Strict):
    """A command inside the accessory that ends with 0 once it is ready."""

    command: Annotated[tuple[Argument, ...], Field(min_length=1)]
    interval: Annotated[Seconds, Field(ge=0.1, le=60)] = 1.0
    timeout: Annotated[Seconds, Field(ge=0.1, le=60)] = 5.0


class Backup(_Strict):
    """A command whose output, printed inside the accessory, is kept before each migration."""

    command: Command
    keep: Annotated[StrictInt, Field(ge=1, le=1000)] = 7
    folder: Word = "backups"  # beside stack.yaml, and nowhere else
    deadline: Annotated[Seconds, Field(ge=1, le=86400)] = 3600.0


class Accessory(Part):
    """A database or the like: started once, never released blue-green."""

    image: Image
    port: Port | None = None  # None: ready by its health, or once it stays up
    publish: tuple[Publication, ...] = ()
    health: AccessoryHealth | None = None
    deadline: Annotated[Seconds, Field(ge=1, le=3600)] = 60.0
    backup: Backup | None = None
    init: StrictBool = False  # databases handle SIGTERM as they are


class Network(_Strict):
    """The stack's own network. Each replica of both colors has a fixed address in it."""

    subnet: Subnet | None = None  # such as 10.77.0.0/24; without it the engine chooses one


class ExternalVolume(_Strict):
    """A volume that others have made, by its name on the engine."""

    external: ExternalName


class Notify(_Strict):
    """Who is told of a release's outcome. That somebody cannot be told fails no release."""

    webhook: Variable | None = None  # name of the variable that holds the URL; unset: nobody
    metrics: Metrics | None = None  # for a textfile collector; relative to stack.yaml's folder


class Stack(_Strict):
    """The whole of stack.yaml."""

    version: Literal[1]
    name: Annotated[Name, Field(max_length=20)]
    internal: StrictBool = False  # no way in or out of the stack's network but the gateway
    gateway: Gateway
    services: Annotated[dict[Name, Service], Field(min_length=1)]
    accessories: dict[Name, Accessory] = {}
    jobs: dict[Name, Job] = {}
    volumes: dict[VolumeName, ExternalVolume] = {}  # those that are not the stack's own
    network: Network = Network()
    notify: Notify = Notify()
    registry: Registry | None = None  # gets the images that are built
    # A program of this machine; its output is read as `.env`. See stack/vault.py.
    secrets_command: Annotated[tuple[Argument, ...], Field(min_length=1)] | None = None
    # The stack that a drill has made this copy of: it writes the key itself.
    drill_of: Annotated[Name, Field(max_length=20)] | None = Field(default=None, alias="x-drill-of")
