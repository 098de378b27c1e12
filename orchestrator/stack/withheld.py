"""What a stack takes from variables: no message says it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestrator.stack.document import find_references

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from orchestrator.stack.model import Stack


def find_withheld(
    file: Path, stack: Stack, variables: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    """Return the variables, and their values, that references and `secrets` of a file lead to.

    Raises ConfigurationError.
    """
    names = find_references(file) | set(list_secrets(stack))
    return tuple((name, variables[name]) for name in sorted(names) if name in variables)


def list_public(stack: Stack) -> str:
    """Return the words of a stack that everybody sees anyway: names, versions and addresses."""
    versions = [service.version for service in stack.services.values()]
    doors = [str(stack.gateway.listen), str(stack.gateway.admin)]
    return " ".join([stack.name, *stack.services, *stack.accessories, *versions, *doors])


def list_secrets(stack: Stack) -> Iterator[str]:
    """Yield the variables that `secrets` of services, builds and accessories name."""
    for service in stack.services.values():
        yield from (entry.rpartition(":")[2] for entry in service.secrets)
        if service.build is not None:
            yield from (entry.rpartition(":")[2] for entry in service.build.secrets)
    for accessory in stack.accessories.values():
        yield from (entry.rpartition(":")[2] for entry in accessory.secrets)
