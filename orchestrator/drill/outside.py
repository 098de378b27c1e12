"""What a copy of a stack has in common with the original: what its variables lead to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from orchestrator.stack.secret import parse_secret

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from orchestrator.stack.model import Stack

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^/?#\s]*@)?(\[[^\]\s]*\]|[^/?#:,\s]+)")
ITSELF = ("localhost", "127.", "[::1]", "0.0.0.0")  # noqa: S104  compared only


def find_outside(stack: Stack, variables: Mapping[str, str]) -> Iterator[str]:
    """Yield the variables of services that hold an address outside the stack, never their values.

    A drill's copy has the same ones: it migrates, reads and writes there as the original does.
    """
    inside = {*stack.services, *stack.accessories, "gateway"}
    for name, service in stack.services.items():
        wanted = map(parse_secret, service.secrets)
        secrets = {one.name: variables.get(one.variable, "") for one in wanted}
        for variable, value in {**service.env, **secrets}.items():
            if any(_is_outside(host, inside) for host in ADDRESS.findall(value)):
                yield f"services.{name}: {variable}"


def _is_outside(host: str, inside: set[str]) -> bool:
    return host not in inside and not host.startswith(ITSELF)
