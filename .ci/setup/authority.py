"""A certificate authority that tests ask: Let's Encrypt's own for tests, which has no service."""

from __future__ import annotations

from typing import TYPE_CHECKING

import system
from commands import CommandError, Commands

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = "pebble"
# Only tests of `make test` ask it: without one the demonstration is as good.
ABSENT = f"none: install {PACKAGE}, tests of `make test` need it"


def prepare(commands: Commands, tell: Callable[[str], None]) -> str:
    """Name the authority that tests will start."""
    if not system.program(PACKAGE) and system.can_install():
        tell(f"no {PACKAGE} is here; installing it from the distribution's packages")
        try:
            system.install(commands, "authority-packages", PACKAGE)
        except CommandError as error:
            tell(error.cause)
    return system.program(PACKAGE) or ABSENT
