"""What is to be said of the addresses that containers of the stack have on the host. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orchestrator.doctor.finding import Finding, approve, doubt, fault
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.doctor.demand import Door
    from orchestrator.engine.values import Container
    from orchestrator.stack.quantities import Address
    from orchestrator.stack.url import PublicUrl

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  compared only


class Listener(NamedTuple):
    """A socket of this machine that takes connections."""

    host: str  # IPv4 or IPv6
    port: int
    process: str = ""  # such as `nginx` (process 17); empty where it cannot be seen


class Holder(NamedTuple):
    """Who has an address."""

    told: str
    ours: bool = False  # the very container that it is for


def find_holder(
    address: Address,
    owner: tuple[str, str],
    containers: Iterable[Container],
    listeners: Iterable[Listener],
) -> Holder | None:
    """Return who has an address, or all of its port; None where nobody has.

    `owner` are the stack and the part of it that the address is for.
    """
    stack, part = owner
    for one in containers:
        if any(_meets(address, *door) for door in one.doors.values()):
            other = one.labels.get(naming.STACK, "")
            names = (one.labels.get(naming.SERVICE), one.labels.get(naming.ROLE))
            ours = other == stack and part in names
            whose = f" of stack `{other}`" if other else ""
            return Holder(f"container `{one.name}`{whose}", ours)
    for each in listeners:
        if _meets(address, each.host, each.port):
            return Holder(each.process or "a program that cannot be seen from here")
    return None


def judge_door(
    door: Door, address: Address, holder: Holder | None, *, has: bool, seen: bool
) -> Finding:
    """Say whether a container can have an address on the host; `has` is whether the machine has it.

    Where its listeners are not `seen`, only what containers hold is known.
    """
    mend = f"choose another `{door.key}` in stack.yaml"
    if holder is not None and holder.ours:
        whose = "gateway" if door.part == "gateway" else f"`{door.part}`"
        return approve(door.check, f"{address} is held by this stack's {whose}")
    if holder is not None:
        text = f"{address} is taken by {holder.told}"
        return fault(door.check, text, f"stop that, or {mend}")
    if not has:
        return fault(
            door.check,
            f"this machine does not have the address {address.host}",
            f"give it the address, or {mend}",
        )
    if not seen:
        return doubt_door(door, address, "this system does not show who listens")
    return approve(door.check, f"{address} is free")


def judge_url(url: PublicUrl | None, miss: str | None) -> Finding | None:
    """Say whether `gateway.url` leads to this gateway, by what was missed; None where there is none."""
    if url is None:
        return None
    if miss is None:
        return doubt("url", f"where {url} leads cannot be told: the gateway does not run")
    if miss:
        mend = "look at the proxy in front, or correct `gateway.url` in stack.yaml"
        return fault("url", f"{url} does not lead to this gateway: {miss}", mend)
    return approve("url", f"{url} leads to this gateway")


def doubt_door(door: Door, address: Address, why: str) -> Finding:
    """Say that nobody here knows who has an address."""
    return doubt(door.check, f"who has {address} cannot be told: {why}")


def _meets(address: Address, host: str, port: int) -> bool:
    everywhere = address.everywhere or host in EVERYWHERE
    return address.port == port and (everywhere or address.host == host)
