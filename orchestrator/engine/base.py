"""What stackctl asks of a container engine, in values of its own.

The Docker implementation and the stateful fake of the tests pass the same contract tests.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from orchestrator.stack.quantities import Address


@dataclass(frozen=True)
class Volume:
    """A named volume and where a container sees it."""

    name: str
    path: str
    read_only: bool = False


@dataclass(frozen=True)
class HealthCommand:
    """A command that the engine runs inside a container to learn whether it is ready."""

    argv: tuple[str, ...]
    interval: float  # seconds
    timeout: float  # seconds


@dataclass(frozen=True)
class ContainerSpec:
    """All that makes a container. Capabilities are dropped and privileges never gained."""

    name: str
    image: str
    labels: Mapping[str, str]
    network: str | None
    address: str | None = None  # a fixed IPv4 address in that network; else the engine chooses
    aliases: tuple[str, ...] = ()  # further names in that network
    edge: str | None = None  # a second network, that its ports are published from
    entrypoint: tuple[str, ...] = ()  # empty: the image's own
    command: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    volumes: tuple[Volume, ...] = ()
    ports: tuple[tuple[int, Address], ...] = ()  # (port inside, address on the host)
    user: str | None = None
    read_only: bool = False
    capabilities: bool = False  # keep those to change owner and user (databases begin as root)
    memory: int = 512 * 1024**2  # bytes
    cpus: float = 1.0
    pids: int = 512
    stop_grace: float = 10.0  # seconds between SIGTERM and SIGKILL
    health: HealthCommand | None = None
    persistent: bool = True  # the engine brings it back after a crash or a reboot
    stop_signal: str | None = (
        None  # such as `QUIT`; it may then be sent others and still be brought back
    )


@dataclass(frozen=True)
class Container:
    """A container as the engine lists it."""

    id: str
    name: str
    image: str  # id of the image it was made from
    state: str  # created, running, paused, restarting, removing, exited, dead
    labels: Mapping[str, str]
    address: str = ""  # IPv4 on the stack's network; empty while it does not run
    addresses: Mapping[str, str] = field(
        default_factory=dict
    )  # of all its networks, by their names
    health: str = ""  # healthy, unhealthy, starting; empty without a health command
    published: tuple[int, ...] = ()  # ports on the host
    exit_code: int | None = None  # once its process has ended

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self.state == "running"

    @property
    def crashed(self) -> bool:
        """Whether its process ended by itself, be it for a moment."""
        return self.state in ("exited", "restarting", "dead")


@dataclass(frozen=True)
class Network:
    """A bridge network. The engine gives out addresses of `pool`; the rest of `subnet` is ours."""

    name: str
    labels: Mapping[str, str]
    internal: bool
    subnet: str  # such as 172.18.0.0/24
    pool: str  # such as 172.18.0.192/26; empty where the engine takes all
    gateway: str  # the host's own address
    holders: Mapping[str, str] = field(default_factory=dict)  # running containers, by address

    @property
    def addresses(self) -> Iterator[str]:
        """Yield the addresses that may be given out; none where the engine takes all."""
        if not self.pool:
            return
        pool = ipaddress.IPv4Network(self.pool)
        for address in ipaddress.IPv4Network(self.subnet).hosts():
            if address not in pool and str(address) != self.gateway:
                yield str(address)


@dataclass(frozen=True)
class Image:
    """An image as the engine has it."""

    id: str
    tags: tuple[str, ...]
    labels: Mapping[str, str]
    user: str = ""
    digests: tuple[str, ...] = ()

    @property
    def handles(self) -> tuple[str, ...]:
        """What is to be removed for it to go: each of its tags, or its id where it has none."""
        return self.tags or (self.id,)


@dataclass(frozen=True)
class BuildOrder:
    """An image to build from a folder."""

    context: Path
    dockerfile: str
    tag: str
    arguments: Mapping[str, str]
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Output:
    """What a command inside a container printed (both streams) and ended with."""

    exit_code: int
    text: str


class Conversation(Protocol):
    """A process inside a container that answers every line with a line."""

    def ask(self, line: str) -> str:
        """Send a line and return the answer. Raises EngineError where none comes."""

    def close(self) -> None:
        """End it."""


class Lease(Protocol):
    """A lock that the engine frees by itself once its holder is gone."""

    @property
    def held(self) -> bool:
        """Whether the lock is still ours."""

    def release(self) -> None:
        """Give the lock back."""


class Engine(Protocol):
    """The engine. Every method raises EngineError (NotFound, Conflict) and nothing foreign."""

    def containers(self, stack: str) -> tuple[Container, ...]:
        """Return all containers of a stack, running or not, in one call."""

    def run(self, spec: ContainerSpec) -> str:
        """Create and start a container; return its id. Raises Conflict."""

    def create(self, spec: ContainerSpec) -> str:
        """Create a container without starting it; return its id. Raises Conflict."""

    def start(self, container: str) -> None:
        """Start a container that does not run."""

    def stop(self, container: str, grace: float) -> None:
        """SIGTERM, then after `grace` seconds SIGKILL; a stopped or missing one is fine."""

    def remove(self, container: str) -> None:
        """Kill and remove a container; a missing one is fine."""

    def persist(self, container: str) -> None:
        """Have the engine bring it back after a crash or a reboot from now on."""

    def unpersist(self, container: str) -> None:
        """Have the engine leave it as it is from now on. A missing one is fine."""

    def signal(self, container: str, name: str) -> None:
        """Send a signal such as `HUP` to the container's first process."""

    def logs(self, container: str, *, tail: int | None = None, since: float | None = None) -> str:
        """Return what it printed: the last `tail` lines, or all since a Unix time."""

    def follow(self, container: str, *, tail: int) -> Iterator[str]:
        """Yield lines as they are printed, after the last `tail` ones."""

    def execute(self, container: str, argv: tuple[str, ...], *, user: str = "") -> Output:
        """Run a command inside a container and wait for it."""

    def converse(self, container: str, argv: tuple[str, ...], *, user: str = "") -> Conversation:
        """Start a command inside a container that is asked line by line."""

    def processes(self, container: str) -> dict[int, str]:
        """Return the command line of every process in the container, by host pid."""

    def write(self, container: str, folder: str, archive: bytes) -> None:
        """Unpack a tar archive into a folder of the container, running or not."""

    def read(self, container: str, path: str) -> str:
        """Return a text file of the container, running or not, following links."""

    def image(self, reference: str) -> Image:
        """Return an image that the engine has. Raises NotFound."""

    def images(self, stack: str) -> tuple[Image, ...]:
        """Return the images built for a stack."""

    def build(self, order: BuildOrder, report: Callable[[str], None]) -> Image:
        """Build an image, reporting each line. Raises ImageError with the last lines."""

    def pull(self, reference: str, report: Callable[[str], None]) -> Image:
        """Fetch an image from its registry. Raises ImageError."""

    def remove_image(self, image: str) -> None:
        """Remove an image and its tags; a missing one is fine, one in use is an EngineError."""

    def ensure_network(
        self,
        name: str,
        labels: Mapping[str, str],
        *,
        internal: bool = False,
        subnet: str | None = None,
    ) -> Network:
        """Make a bridge network unless it exists; an internal one has no way in or out.

        Without a `subnet` the engine chooses one. Raises Conflict where the network that exists is
        somebody else's or another one than is asked for, and where the subnet is taken.
        """

    def network(self, name: str) -> Network | None:
        """Return a network; None where there is none."""

    def connect(
        self,
        container: str,
        network: str,
        *,
        address: str | None = None,
        aliases: tuple[str, ...] = (),
    ) -> None:
        """Give a container an address in another network. Raises Conflict where it has one."""

    def disconnect(self, container: str, network: str) -> None:
        """Take a container out of a network; one that is not in it is fine."""

    def ensure_volume(self, name: str, labels: Mapping[str, str]) -> None:
        """Make a volume unless it exists."""

    def remove_network(self, name: str) -> None:
        """Remove a network; a missing one is fine."""

    def volumes(self, stack: str) -> tuple[str, ...]:
        """Return the names of a stack's volumes."""

    def remove_volume(self, name: str) -> None:
        """Remove a volume and what is in it; a missing one is fine."""

    def hold(self, spec: ContainerSpec) -> Lease:
        """Take the lock of that name. Raises Conflict at once where somebody has it."""
