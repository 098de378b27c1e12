"""What is to be said of the engine: whether it answers, where it is, who builds, what its clock says. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from orchestrator.doctor.finding import Finding, approve, doubt, fault, warn
from orchestrator.doctor.gathering import Late
from orchestrator.engine.buildkit import INSTALL

if TYPE_CHECKING:
    from orchestrator.doctor.demand import Demand
    from orchestrator.engine.buildkit import Builder
    from orchestrator.engine.survey import Survey
    from orchestrator.errors import StackctlError

OLDEST = (20, 10)  # of the engines that stackctl is tested with
LARGEST_SKEW = 2.0  # seconds


def judge_engine(shown: str, named_by: str, found: Survey | StackctlError) -> Finding:
    """Say whether an engine answers, which it is, and who has named it."""
    by = f", which {named_by} names" if named_by else ""
    if isinstance(found, Late):
        return fault(
            "engine", f"at {shown}{by}: {found.message}", "see whether it hangs: `docker info`"
        )
    if isinstance(found, Exception):
        return fault("engine", found.message, found.hint or "start it: `systemctl start docker`")
    told = f"Docker {found.version} (API {found.api}) at {shown}{by}"
    numbers = tuple(map(int, re.findall(r"\d+", found.version)[:2]))
    if numbers and numbers < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        return warn("engine", f"{told} is older than {oldest}", f"install Docker {oldest} or later")
    return approve("engine", told)


def judge_place(shown: str, *, here: bool | None, away: bool = False) -> Finding:
    """Say how the gateway's doors are reached: on this machine, or on another one that the engine's
    address names (`away`), through the engine's connection.
    """
    if away:
        return approve(
            "place", "the engine is on another machine; its connection leads to the gateway"
        )
    if here is None:
        return doubt(
            "place",
            "whether the engine is on this machine cannot be told: it has no address to compare",
        )
    if here:
        return approve("place", "the engine is on this machine, and so are the gateway's doors")
    return fault(
        "place",
        f"the engine at {shown} is on another machine, or this is a container with a network of its own:"
        " the gateway's doors are dialled on this machine",
        "run stackctl on the engine's machine, or name it as `DOCKER_HOST=ssh://user@host`; in a"
        " container, with the network of the host (`docker run --network host`)",
    )


def judge_builder(builder: Builder | StackctlError, demand: Demand | None) -> Finding | None:
    """Say who builds images; nothing where none are built."""
    if demand is not None and not demand.builds:
        return None
    if isinstance(builder, Exception):
        return doubt("builder", f"the Docker CLI does not say who builds: {builder.message}")
    if builder.cli is not None:
        return approve("builder", builder.told)
    if demand is not None and demand.needs_buildkit:
        return fault("builder", f"{builder.told}; `secrets` and `ssh` need BuildKit", INSTALL)
    return warn("builder", f"{builder.told}; it has no `RUN --mount` and no heredocs", INSTALL)


def judge_clock(ahead: float, doubt_: float) -> Finding:
    """Say whether the engine's clock and this machine's agree; both in seconds."""
    if abs(ahead) - doubt_ <= LARGEST_SKEW:
        return approve("clock", "the engine's and this machine's agree")
    side = "ahead of" if ahead > 0 else "behind"
    return warn(
        "clock",
        f"the engine's is {abs(ahead):.1f} s {side} this machine's: times in the evidence would not fit",
        "set both by NTP: `timedatectl set-ntp true`",
    )
