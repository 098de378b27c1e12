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
    ValidationError,
    model_validator,
)

from orchestrator.stack.fields import (
    STRICT,
    Argument,
    File,
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
    IMAGE,
    METRICS,
    REQUEST,
    VERSIONED_IMAGE,
    VOLUME,
)
from orchestrator.stack.health import Health, fit_health
from orchestrator.stack.hosts import Hosts, Redirects
from orchestrator.stack.job import Job
from orchestrator.stack.part import ExternalName, Part, Resources
from orchestrator.stack.quantities import (
    Address,
    Bytes,
    HostAddress,
    Proxies,
    Publication,
    Seconds,
    Subnet,
    is_loopback,
)
from orchestrator.stack.routes import Method, Route
from orchestrator.stack.tls import Tls

Color = Literal["blue", "green"]
DRILL_OF = "x-drill-of"  # of all keys that begin so the only one that is read

Image = Annotated[StrictStr, Field(pattern=IMAGE, max_length=255)]
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
    routes: tuple[Route, ...] = ()
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
    allow: tuple[Proxies, ...] = ()  # addresses or networks of clients that are let in

    @property
    def allows_host(self) -> bool:
        """Whether programs on the host are let in, which call themselves 127.0.0.1."""
        return any(map(is_loopback, self.allow))


class Gateway(_Strict):
    """The NGINX in front of everything: the only container with published ports."""

    image: Image
    listen: HostAddress = Address("0.0.0.0", 8080)  # noqa: S104  it is the public door
    admin: HostAddress = Address("127.0.0.1", 8081)
    tls: Tls | None = None
    keepalive: Annotated[Seconds, Field(ge=1, le=300, multiple_of=1)] = 60.0
    drain_timeout: Annotated[Seconds, Field(ge=2, le=3600)] = 30.0
    gzip: StrictBool = True
    # What who asks for a host that no route names is told: 404, or nothing at all.
    unknown_hosts: Literal["not_found", "close"] = "not_found"
    trusted_proxies: tuple[Proxies, ...] = ()  # believed in what they say of clients
    # Requests in flight of one client address; None: as the memory allows, see gateway/capacity.py.
    connections: Annotated[StrictInt, Field(ge=1, le=65535)] | None = None
    pause: Pause = Pause()
    resources: GatewayResources = GatewayResources()

    @property
    def trusts_host(self) -> bool:
        """Whether a proxy on the host is trusted, which calls itself 127.0.0.1."""
        return any(map(is_loopback, self.trusted_proxies))

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
    # A program of this machine; its output is read as `.env`. See stack/vault.py.
    secrets_command: Annotated[tuple[Argument, ...], Field(min_length=1)] | None = None
    # The stack that a drill has made this copy of: it writes the key itself.
    drill_of: Annotated[Name, Field(max_length=20)] | None = Field(default=None, alias="x-drill-of")
