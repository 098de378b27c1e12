"""What a stack takes from variables: no message says it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from orchestrator.errors import ConfigurationError
from orchestrator.stack.document import find_references
from orchestrator.stack.env_file import read_env_files
from orchestrator.stack.guests import list_basic_auth
from orchestrator.stack.listing import list_parts
from orchestrator.stack.secret import Wanted, parse_secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from orchestrator.stack.model import Stack


def find_withheld(
    file: Path, stack: Stack, variables: Mapping[str, str]
) -> tuple[tuple[str, str], ...]:
    """Return the variables, and their values, that references, `secrets` and `env_file` lead to.

    Raises ConfigurationError.
    """
    names = find_references(file) | {one.variable for one in list_secrets(stack)}
    known = tuple((name, variables[name]) for name in sorted(names) if name in variables)
    return (*known, *_read_files(stack, file.resolve().parent, variables))


def list_public(stack: Stack) -> str:
    """Return the words of a stack that everybody sees anyway: names, versions and addresses."""
    versions = [service.version for service in stack.services.values()]
    doors = [str(stack.gateway.listen), str(stack.gateway.admin)]
    return " ".join([stack.name, *stack.services, *stack.accessories, *versions, *doors])


def list_secrets(stack: Stack) -> Iterator[Wanted]:
    """Yield what `secrets` of services, builds and accessories name, and passwords."""
    for _, part in list_parts(stack):
        yield from map(parse_secret, part.secrets)
    for service in stack.services.values():
        if service.build is not None:
            yield from map(parse_secret, service.build.secrets)
    for _, auth in list_basic_auth(stack):
        yield from map(parse_secret, auth.users.values())
    if stack.registry is not None and stack.registry.password is not None:
        yield parse_secret(stack.registry.password)


def _read_files(
    stack: Stack, folder: Path, variables: Mapping[str, str]
) -> Iterator[tuple[str, str]]:
    """Yield what `env_file` sets. What cannot be read is told where it is needed."""
    for _, part in list_parts(stack):
        with suppress(ConfigurationError):
            yield from read_env_files(part.env_file, folder, variables, "").items()
