"""Units: a service and those that its `with` names, its companions, are released together."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from orchestrator.stack.document import Fault
from orchestrator.stack.filled import quote
from orchestrator.stack.naming import image_tag

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from orchestrator.stack.model import Stack

FIRST = "v1"  # the version of a service that names none


def list_unit(stack: Stack, leader: str) -> tuple[str, ...]:
    """Return a service and its companions, in the order in which they are released."""
    return (leader, *stack.services[leader].companions)


def find_leader(stack: Stack, service: str) -> str | None:
    """Return the service that takes this one along; None where it goes by itself."""
    return next((name for name, one in stack.services.items() if service in one.companions), None)


def find_builder(stack: Stack, service: str) -> str:
    """Return the service whose image this one runs: its leader's, where both are built alike."""
    leader, own = find_leader(stack, service), stack.services[service].build
    alike = leader is not None and own is not None and own == stack.services[leader].build
    return leader if leader is not None and alike else service


def name_published(stack: Stack, service: str, version: str) -> str:
    """Return what a built version is called in the registry; empty where none is meant.

    What a drill builds is thrown away.
    """
    if stack.registry is None or stack.drill_of is not None:
        return ""
    return f"{stack.registry.repository}/{image_tag(stack.name, service, version)}"


def find_unit_faults(
    services: Mapping[str, Mapping[str, Any]], needs: Mapping[str, Sequence[str]]
) -> Iterator[Fault]:
    """Yield what is wrong with `with` in the raw document; `needs` are those among services."""
    leaders: dict[str, str] = {}
    for name, service in services.items():
        for companion in list_companions(service):
            text = _find_fault(services, leaders, name, companion)
            if text:
                yield Fault(f"services.{quote(name)}.with", text)
            else:
                leaders[companion] = name
                yield from _find_version_fault(services, name, companion)
    yield from _find_circle(leaders, needs)


def list_companions(service: Mapping[str, Any]) -> list[str]:
    """Return what `with` names; what is no name is reported by the model."""
    found = service.get("with")
    return [name for name in found if isinstance(name, str)] if isinstance(found, list) else []


def _find_fault(
    services: Mapping[str, Mapping[str, Any]], leaders: Mapping[str, str], name: str, companion: str
) -> str:
    """Return why a service cannot take another one along; empty where it can."""
    told = quote(companion)
    if companion not in services:
        others = [quote(other) for other in services if other != name]
        return f"no service `{told}` in the stack; there is {', '.join(others) or 'no other'}"
    if companion == name:
        return f"`{told}` is the service itself, expected others"
    if companion in leaders:
        return f"`{told}` already goes with service `{quote(leaders[companion])}`"
    if services[companion].get("with"):
        return f"`{told}` has a `with` of its own, which must be in one place: move it here"
    return ""


def _find_version_fault(
    services: Mapping[str, Mapping[str, Any]], name: str, companion: str
) -> Iterator[Fault]:
    wanted = services[name].get("version", FIRST)
    if services[companion].get("version", wanted) != wanted:
        yield Fault(
            f"services.{quote(companion)}.version",
            f"goes with service `{quote(name)}`, which has another: leave it out here",
        )


def _find_circle(leaders: Mapping[str, str], needs: Mapping[str, Sequence[str]]) -> Iterator[Fault]:
    graph = {name: {*wanted} for name, wanted in needs.items()}
    try:
        TopologicalSorter(graph).prepare()
    except CycleError:
        return  # reported as a circle of `needs`
    for companion, leader in leaders.items():
        graph.setdefault(companion, set()).add(leader)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        yield Fault(
            "services",
            "`needs` and `with` go in a circle, as who is taken along comes second: "
            + " -> ".join(map(quote, reversed(error.args[1]))),
        )
