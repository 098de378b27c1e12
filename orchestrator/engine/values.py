"""What an engine has, as values: containers, images, networks, and the orders for them."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import posixpath
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Literal

from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from orchestrator.engine.outfit import Memory, PackedFile, Ulimit
    from orchestrator.stack.quantities import Address


SCRATCH = "/tmp"  # noqa: S108  a path inside containers: in memory where the root is read-only
OUT, ERROR = 1, 2  # the numbers of a process's two streams of output
Kind = Literal["container", "network", "volume"]
# Settings of a container that came to be while others ran without them.
LATER = (
    "init",
    "networks",
    "files",
    "memory_folders",
    "shared_memory",
    "ulimits",
    "hosts",
    "takes_input",
    "terminal",
)


@dataclass(frozen=True)
class Named:
    """Something that has a name on the engine, whoever made it."""

    kind: Kind
    name: str
    labels: Mapping[str, str]

    @property
    def owner(self) -> str:
        """Return the stack that it belongs to; empty where stackctl did not make it."""
        return self.labels.get(naming.STACK, "")

    @property
    def told(self) -> str:
        """Say whose it is, to another stack that wants the name."""
        whose = f"belongs to stack `{self.owner}`" if self.owner else "was not made by stackctl"
        return f"{self.kind} `{self.name}` is there and {whose}"

    @property
    def hint(self) -> str:
        """Say what another stack that wants the name can do."""
        if self.owner:
            return "give this stack, or this part of it, another name in stack.yaml"
        return f"give this stack another `name`, or remove that {self.kind}"


@dataclass(frozen=True)
class Volume:
    """A named volume and where a container sees it."""

    name: str
    path: str
    read_only: bool = False
    external: bool = False  # not the stack's: it is never made, and never removed


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
    init: bool = False  # its first process is the engine's: it hands signals on and buries the dead
    persistent: bool = True  # the engine brings it back after a crash or a reboot
    # Such as `QUIT`: it may then be sent other signals and still be brought back.
    stop_signal: str | None = None
    networks: tuple[str, ...] = ()  # further ones, that others have made
    files: tuple[PackedFile, ...] = ()
    memory_folders: tuple[Memory, ...] = ()
    shared_memory: int | None = None  # bytes of /dev/shm; None: as many as the engine gives
    ulimits: tuple[Ulimit, ...] = ()
    hosts: tuple[tuple[str, str], ...] = ()  # (name, address) beside those of the networks
    # Containers under further names of ours: (container, name). They need not be there yet.
    links: tuple[tuple[str, str], ...] = ()
    takes_input: bool = False  # somebody sits at its first process
    terminal: bool = False  # at a terminal

    @property
    def covered(self) -> Mapping[str, str]:
        """Return the paths where nothing of the image's own is mounted, with the volumes there.

        Memory has no volume's name. A mount above or below a path does not cover it.
        """
        scratch = {SCRATCH: ""} if self.read_only else {}
        scratch |= {posixpath.normpath(one.path): "" for one in self.memory_folders}
        return scratch | {posixpath.normpath(one.path): one.name for one in self.volumes}

    @property
    def fingerprint(self) -> str:
        """Return a short hash of all but the labels: another hash, another container.

        What is not made use of does not count: a container has the hash that it had before there was
        a choice.
        """
        facts = asdict(replace(self, labels={}, files=()))
        facts["files"] = [file.facts() for file in self.files]
        del facts["links"]  # a name that came later is no reason to replace a container
        for unused in [name for name in LATER if not facts[name]]:
            del facts[unused]
        for volume in facts["volumes"]:
            del volume["external"]  # its name says as much
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


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
    doors: Mapping[int, Address] = field(
        default_factory=dict
    )  # where its ports are published on the host; none while it does not run
    exit_code: int | None = None  # once its process has ended
    # Volumes without a name of ours, by the paths where its image wants some: there its data are.
    unnamed: Mapping[str, str] = field(default_factory=dict)

    @property
    def published(self) -> tuple[int, ...]:
        """Return its ports on the host."""
        return tuple(sorted({door.port for door in self.doors.values()}))

    @property
    def running(self) -> bool:
        """Whether its process runs."""
        return self.state == "running"

    @property
    def crashed(self) -> bool:
        """Whether its process ended by itself, be it for a moment."""
        return self.state in ("exited", "restarting", "dead")


@dataclass(frozen=True)
class Ending:
    """How a container's process ended last, be it that it runs again."""

    exit_code: int
    out_of_memory: bool = False  # the kernel killed it, or a process of its, at the limit


@dataclass(frozen=True)
class Made:
    """What a container was made from, as far as people say it in stack.yaml."""

    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    memory: int = 0  # bytes
    cpus: float = 0.0
    pids: int = 0


@dataclass(frozen=True)
class Vitals:
    """How a container fares."""

    started: str = ""  # when its process began last, in UTC as ISO 8601 has it
    restarts: int = 0  # by the engine, after its process had ended
    out_of_memory: bool = False  # the kernel killed its process last time, at the limit
    memory: int | None = None  # bytes in use; None where the engine has not said so in time
    limit: int | None = None  # bytes


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

    def owns(self, address: str) -> bool:
        """Whether a fixed address lies in this network, and the engine gives it to nobody."""
        given = self.pool and ipaddress.IPv4Address(address) in ipaddress.IPv4Network(self.pool)
        inside = ipaddress.IPv4Address(address) in ipaddress.IPv4Network(self.subnet)
        return inside and not given and address != self.gateway


@dataclass(frozen=True)
class Image:
    """An image as the engine has it."""

    id: str
    tags: tuple[str, ...]
    labels: Mapping[str, str]
    user: str = ""
    digests: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()  # paths where it wants one; not told of those that are listed

    def uncovered(self, spec: ContainerSpec) -> tuple[str, ...]:
        """Return the paths where each container made so gets an empty volume without a name."""
        paths = {posixpath.normpath(path) for path in self.volumes}
        return tuple(sorted(paths - spec.covered.keys()))

    @property
    def handles(self) -> tuple[str, ...]:
        """What is to be removed for it to go: each of its names, or its id where it has none.

        One that a registry knows stays for its digest there, without a tag.
        """
        return (*self.tags, *self.digests) or (self.id,)


@dataclass(frozen=True)
class BuildOrder:
    """An image to build from a folder."""

    context: Path
    dockerfile: str
    tag: str
    arguments: Mapping[str, str]
    labels: Mapping[str, str]
    left_out: tuple[str, ...] = ()  # paths in the folder that are never sent
    target: str | None = None  # the stage to end with; None: the last one
    # Values for single steps, by the ids that the Dockerfile knows them by. No image holds them.
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    ssh: tuple[str, ...] = ()  # agents for single steps, such as `default`
    published: str = ""  # what it is called in a registry, which gets it; empty: none does

    @property
    def doing(self) -> str:
        """Say what is done."""
        return f"building `{self.tag}` from `{self.context}`"


@dataclass(frozen=True)
class Output:
    """What a command inside a container printed (both streams) and ended with."""

    exit_code: int
    text: str
