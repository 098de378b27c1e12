"""What is to be said of memory, CPUs and disks. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.doctor.finding import Finding, approve, doubt, fault, warn

if TYPE_CHECKING:
    from orchestrator.doctor.demand import Demand

MIB, GIB = 1024**2, 1024**3
SCARCE, SPENT = 2 * GIB, 256 * MIB  # bytes free: an image may not fit, evidence may not


def judge_memory(demand: Demand, there: int) -> Finding:
    """Hold what containers may take, in all, against the bytes that the engine has."""
    told = (
        f"containers may take {_tell(demand.memory)}, {_tell(demand.peak)} while a release goes on"
    )
    if not there:
        return doubt("memory", f"{told}; the engine does not say what it has")
    if demand.peak <= there:
        return approve("memory", f"{told}, of {_tell(there)}")
    return warn(
        "memory",
        f"{told}, and the engine has {_tell(there)}: the kernel may kill what takes its share",
        "lower `resources.memory` in stack.yaml, or add memory",
    )


def judge_cpus(demand: Demand, there: int) -> Finding:
    """Say whether a container may take more CPUs than there are: the engine would not start it."""
    if not there:
        return doubt("cpus", "the engine does not say how many it has")
    greedy = {part: most for part, most in demand.cpus.items() if most > there}
    if not greedy:
        return approve("cpus", f"no container may take more than the {there} of the engine")
    told = ", ".join(f"{part} {most:g}" for part, most in sorted(greedy.items()))
    return fault(
        "cpus",
        f"the engine has {there}, and it starts no container that may take more: {told}",
        f"set `resources.cpus` to {there} or less",
    )


def judge_disk(check: str, place: str, free: int | None) -> Finding:
    """Say whether a disk has room; None: it cannot be seen from here."""
    if free is None:
        return doubt(check, f"{place} cannot be seen from here")
    told = f"{_tell(free)} free in {place}"
    if free < SPENT:
        return fault(check, f"only {told}", "make room: `stackctl prune`, `docker system df`")
    if free < SCARCE:
        return warn(check, f"only {told}", "make room: `stackctl prune`, `docker system df`")
    return approve(check, told)


def _tell(size: int) -> str:
    return f"{size / GIB:.1f} GiB" if size >= GIB else f"{size / MIB:.0f} MiB"
