"""What services and accessories have in common: how their containers are made."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    StrictFloat,
    StrictInt,
    StrictStr,
    model_validator,
)

from orchestrator.stack.fields import STRICT, Argument, File, Text, refuse_own
from orchestrator.stack.forms import (
    CONTAINER_PATH,
    ENVIRONMENT,
    FORMS,
    HOST_ADDRESS,
    HOST_NAME,
    MODE,
    MOUNT,
    SECRET,
    TMPFS,
    ULIMIT,
    USER,
    WORD,
)
from orchestrator.stack.quantities import Bytes, Seconds, parse_bytes

KERNELS_OWN = ("/proc", "/sys", "/dev")
ENGINES_OWN = ("/etc/hosts", "/etc/hostname", "/etc/resolv.conf")
HOST_GATEWAY = "host-gateway"  # the engine's word for the host's own address
UNLIMITED = -1
MIB = 1024**2
ROOT = "root"  # said in so many words


def is_below(path: str, folder: str) -> bool:
    """Whether a path is a folder, or lies in it."""
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _refuse_others(path: str) -> str:
    """Refuse a path that is not what it seems, or is not the container's to have."""
    if {".", ".."} & {*path.split("/")}:
        raise ValueError("expected a path without `.` and `..`")
    if any(is_below(path, folder) for folder in KERNELS_OWN):
        raise ValueError(f"expected a path outside of {', '.join(KERNELS_OWN)}")
    if path in ENGINES_OWN:
        raise ValueError("the engine writes that file itself; `extra_hosts` adds names of hosts")
    return path


def _refuse_folder_of_others(entry: str) -> str:
    _refuse_others(entry.partition(":")[0])
    if entry.endswith(":0"):
        raise ValueError("expected a size of more than nothing, such as `/cache:64m`")
    return entry


def _check_host(value: object) -> object:
    if value == HOST_GATEWAY:
        return value
    try:
        return str(ipaddress.ip_address(value if isinstance(value, str) else ""))
    except ValueError as error:
        raise ValueError(f"expected {FORMS[HOST_ADDRESS]}") from error


def _number_to_limits(value: object) -> object:
    number = isinstance(value, int) and not isinstance(value, bool)
    return {"soft": value, "hard": value} if number else value


Environment = Annotated[StrictStr, Field(pattern=ENVIRONMENT, max_length=200)]
Secret = Annotated[StrictStr, Field(pattern=SECRET, max_length=200), AfterValidator(refuse_own)]
Mount = Annotated[StrictStr, Field(pattern=MOUNT, max_length=255)]
Target = Annotated[
    StrictStr, Field(pattern=CONTAINER_PATH, max_length=255), AfterValidator(_refuse_others)
]
Tmpfs = Annotated[
    StrictStr, Field(pattern=TMPFS, max_length=255), AfterValidator(_refuse_folder_of_others)
]
HostName = Annotated[StrictStr, Field(pattern=HOST_NAME, max_length=253)]
HostAddress = Annotated[
    str,
    BeforeValidator(
        _check_host,
        json_schema_input_type=Annotated[str, Field(pattern=HOST_ADDRESS)],
    ),
]
ExternalName = Annotated[StrictStr, Field(pattern=WORD, max_length=128)]
Limit = Annotated[StrictInt, Field(ge=UNLIMITED)]
LimitName = Annotated[StrictStr, Field(pattern=ULIMIT)]
StopSignal = Literal[
    "SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGRTMIN+3"
]


class Resources(BaseModel):
    """The most a container may take."""

    model_config = STRICT

    memory: Annotated[Bytes, Field(ge=6 * MIB)] = 512 * MIB
    cpus: Annotated[StrictFloat, Field(gt=0, le=256)] = 1.0
    pids: Annotated[StrictInt, Field(ge=1)] = 512


class PartFile(BaseModel):
    """A file of the repository that a container gets, by its content."""

    model_config = STRICT

    source: File = Field(alias="from")
    to: Target
    mode: Annotated[StrictStr, Field(pattern=MODE)] = "0444"


class Limits(BaseModel):
    """What a process may have of something: as it begins, and up to where it may raise that."""

    model_config = STRICT

    soft: Limit
    hard: Limit

    @model_validator(mode="after")
    def _refuse_turned(self) -> Self:
        if self.hard != UNLIMITED and not 0 <= self.soft <= self.hard:
            raise ValueError("expected a `soft` limit that is not above the `hard` one")
        return self


LimitsOrNumber = Annotated[
    Limits, BeforeValidator(_number_to_limits, json_schema_input_type=Limit | Limits)
]


class MemoryFolder(NamedTuple):
    """A folder in memory."""

    path: str
    size: int  # bytes


def parse_tmpfs(entry: str) -> MemoryFolder:
    """Read an entry of `tmpfs` that has the form of one."""
    path, _, size = entry.partition(":")
    return MemoryFolder(path, int(str(parse_bytes(size or "64m"))))


class Part(BaseModel):
    """A service or an accessory, as far as the engine is told of it."""

    model_config = STRICT

    entrypoint: tuple[Argument, ...] = ()  # in place of the image's, and of its command; none: both
    command: tuple[Argument, ...] = ()  # in place of the image's
    user: Annotated[StrictStr, Field(pattern=USER)] | None = None
    env: dict[Environment, Text] = {}
    env_file: tuple[File, ...] = ()
    secrets: tuple[Secret, ...] = ()
    files: tuple[PartFile, ...] = ()
    volumes: tuple[Mount, ...] = ()
    tmpfs: tuple[Tmpfs, ...] = ()
    networks: tuple[ExternalName, ...] = ()  # that others have made
    extra_hosts: dict[HostName, HostAddress] = {}
    resources: Resources = Resources()
    shm_size: Annotated[Bytes, Field(ge=MIB)] | None = None  # None: as many as the engine gives
    ulimits: dict[LimitName, LimitsOrNumber] = {}
    stop_signal: StopSignal | None = None  # None: the image's
    stop_grace: Annotated[Seconds, Field(ge=0, le=3600)] = 10.0
