"""A browser without a screen, which the tests open reports in: Chromium or Chrome."""

from __future__ import annotations

from typing import TYPE_CHECKING

import system
from commands import CommandError, Commands, output

if TYPE_CHECKING:
    from collections.abc import Callable

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
PACKAGE = "chromium"
# Only a test of `make test` opens a browser: without one the demonstration is as good.
ABSENT = "none: install Chromium or Google Chrome, one test of `make test` needs it"


def prepare(commands: Commands, tell: Callable[[str], None]) -> str:
    """Name the browser that will be used, after it has told its version."""
    installed = found(system.program, output)
    if installed or not system.can_install():
        return installed or ABSENT
    tell(f"none is here; installing {PACKAGE} from the distribution's packages")
    try:
        system.install(commands, "browser-packages", PACKAGE)
    except CommandError as error:
        tell(error.cause)
    return found(system.program, output) or ABSENT


def found(
    program: Callable[[str], str | None], ask: Callable[[str, str], str | None]
) -> str | None:
    """Find the first browser that starts: Ubuntu's `chromium-browser` may be a note in its place."""
    for path in filter(None, map(program, NAMES)):
        told = ask(path, "--version")
        if told:
            return f"{' '.join(told.split()[:2])}, {path}"
    return None
