"""Names and labels on the engine: the only place where they are put together."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from orchestrator.stack.model import Color

Role = Literal["service", "migration", "run", "accessory", "gateway", "lock", "job", "holder"]

PREFIX = "io.stackctl."
STACK, ROLE, SERVICE, COLOR = (
    PREFIX + "stack",
    PREFIX + "role",
    PREFIX + "service",
    PREFIX + "color",
)
VERSION, RELEASE, REPLICA = PREFIX + "version", PREFIX + "release", PREFIX + "replica"
ADDRESS, PORT = PREFIX + "address", PREFIX + "port"
LAYOUT = PREFIX + "layout"  # of the gateway's volume and network
DRILL_OF = PREFIX + "drill-of"  # the stack whose copy this is a part of: a drill may remove it
JOB = PREFIX + "job"  # of a container that runs one, and of its lock
PUBLISHED = PREFIX + "published"  # of an image: what it is called in its registry
RESOURCES = PREFIX + "resources"  # that the gateway's container has
TLS = PREFIX + "tls"  # where the gateway's container publishes its door for TLS
DOOR = PREFIX + "door"  # of a gateway behind a shared door: where that one is in their network
SPEC = PREFIX + "spec"  # hash of what a container was made from: tells 'unchanged' from 'changed'


# Whose the door is that stacks share. No stack can be called so: names in stack.yaml have no dots.
SHARED = "stackctl.door"


def other(color: Color) -> Color:
    """Return the slot that is not this one."""
    return "green" if color == "blue" else "blue"


def replica_name(stack: str, service: str, color: Color, replica: int) -> str:
    """Return the container's name."""
    return f"{stack}-{service}-{color}-{replica}"


def aside_name(name: str) -> str:
    """Return what a kept replica is called while a candidate has its name. No service can be called so:
    names in stack.yaml have no dots.
    """
    return f"{name}.aside"


def holder_name(container: str, ending: str) -> str:
    """Return the name of what holds a volume for a container that is being made."""
    return f"{container}.{ending}"


def is_holder(stack: str, name: str) -> bool:
    """Whether a name is that of what holds a volume."""
    return re.fullmatch(rf"{re.escape(stack)}-[^.]+\.(owner|files)", name) is not None


def is_run(stack: str, container: str) -> bool:
    """Whether a name begins with that of the container of a single run, which nobody locks."""
    return re.match(rf"{re.escape(stack)}-.+-run-[0-9a-f]{{8}}(\.|$)", container) is not None


def upstream_name(service: str, color: Color) -> str:
    """Return the name of a color's NGINX upstream block."""
    return f"{service}_{color}"


def image_tag(stack: str, service: str, version: str) -> str:
    """Return the tag under which a built version is kept."""
    return f"{stack}-{service}:{version}"


def part_name(stack: str, part: str) -> str:
    """Return the name of a container or volume that exists once per stack."""
    return f"{stack}-{part}"


def files_volume(stack: str, digest: str) -> str:
    """Return the volume that has the files of read-only containers. No volume of stack.yaml can be called so:
    names there have no dots.
    """
    return part_name(stack, f"files.{digest}")


def has_files(stack: str, volume: str) -> bool:
    """Whether a volume is one that only has files of the repository."""
    return volume.startswith(files_volume(stack, ""))


def migration_name(stack: str, service: str) -> str:
    """Return the name of the container that brings a database to a version."""
    return part_name(stack, f"{service}-migration")


def run_name(stack: str, service: str, run: str) -> str:
    """Return the name of the container of a single run of a command."""
    return part_name(stack, f"{service}-run-{run}")


def job_lock(job: str) -> str:
    """Return the part that is a job's lock. No part of stack.yaml can be called so: names have no dots."""
    return f"{job}.job"


def network_name(stack: str) -> str:
    """Return the network of a stack. It sorts after those that an earlier stackctl made: the engine
    keeps published ports and the default route with the first one by name.
    """
    return part_name(stack, "net")


def edge_name(stack: str) -> str:
    """Return the network from which the gateway of an internal stack publishes its ports."""
    return part_name(stack, "edge")


def labels(stack: str, role: Role, **more: str) -> dict[str, str]:
    """Return the labels that make a container findable; `more` is service, color and the like."""
    return {STACK: stack, ROLE: role} | {PREFIX + key: value for key, value in more.items()}
