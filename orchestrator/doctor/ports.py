"""What is to be said of the addresses that the gateway listens at. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from orchestrator.doctor.finding import Finding, approve, doubt, fault
from orchestrator.stack import naming

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestrator.engine.values import Container
    from orchestrator.stack.quantities import Address

EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104  compared only


class Listener(NamedTuple):
    """A socket of this machine that takes connections."""

    host: str  # IPv4 or IPv6
    port: int
    process: str = ""  # such as `nginx` (process 17); empty where it cannot be seen


class Holder(NamedTuple):
    """Who has an address."""

    told: str
    ours: bool = False  # the gateway of this very stack


def find_holder(
    address: Address, stack: str, containers: Iterable[Container], listeners: Iterable[Listener]
) -> Holder | None:
    """Return who has an address, or all of its port; None where nobody has."""
    for one in containers:
        if any(_meets(address, *door) for door in one.doors.values()):
            owner = one.labels.get(naming.STACK, "")
            ours = owner == stack and one.labels.get(naming.ROLE) == "gateway"
            whose = f" of stack `{owner}`" if owner else ""
            return Holder(f"container `{one.name}`{whose}", ours)
    for each in listeners:
        if _meets(address, each.host, each.port):
            return Holder(each.process or "a program that cannot be seen from here")
    return None


def judge_door(
    key: str, address: Address, holder: Holder | None, *, has: bool, seen: bool
) -> Finding:
    """Say whether the gateway can listen at an address; `has` is whether the machine has it.

    Where its listeners are not `seen`, only what containers hold is known.
    """
    if holder is not None and holder.ours:
        return approve(key, f"{address} is held by this stack's gateway")
    if holder is not None:
        return fault(
            key,
            f"{address} is taken by {holder.told}",
            f"stop that, or choose another `gateway.{key}` in stack.yaml",
        )
    if not has:
        return fault(
            key,
            f"this machine does not have the address {address.host}",
            f"give it the address, or choose another `gateway.{key}` in stack.yaml",
        )
    if not seen:
        return doubt_door(key, address, "this system does not show who listens")
    return approve(key, f"{address} is free")


def doubt_door(key: str, address: Address, why: str) -> Finding:
    """Say that nobody here knows who has an address."""
    return doubt(key, f"who has {address} cannot be told: {why}")


def _meets(address: Address, host: str, port: int) -> bool:
    everywhere = address.everywhere or host in EVERYWHERE
    return address.port == port and (everywhere or address.host == host)
