"""Names that stack.yaml allows, made of names that compose allows."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from orchestrator.errors import ConfigurationError
from orchestrator.stack.relations import RESERVED

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST, LONGEST_STACK = 32, 20
_COLORED = re.compile(r"-(?:blue|green)-[0-9]+$|-migration$")


def make_name(written: str, longest: int = LONGEST) -> str:
    """Return a name of lower-case letters, digits and single hyphens, a letter first."""
    name = re.sub(r"[^a-z0-9]+", "-", written.lower()).strip("-")
    if not name[:1].isalpha():
        name = f"app-{name}".strip("-")
    name = name[:longest].strip("-")
    if name in RESERVED or _COLORED.search(name):  # these are stackctl's own
        name = f"{name[: longest - 4].strip('-')}-app"
    return name


def make_names(written: Iterable[str]) -> dict[str, str]:
    """Return the names of services. Raises ConfigurationError where two would be called the same."""
    names: dict[str, str] = {}
    owners: dict[str, str] = {}
    for each in written:
        name = make_name(each)
        if name in owners:
            raise ConfigurationError(
                f"services `{owners[name]}` and `{each}` would both be called `{name}` in stack.yaml",
                "rename one of them in the compose file: names have at most 32 lower-case letters, digits"
                " and hyphens",
            )
        names[each], owners[name] = name, each
    return names
