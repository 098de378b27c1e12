"""An SSH server, which tests start for themselves: the one that is here, else one whose service is off."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import system
from commands import CommandError, Commands

if TYPE_CHECKING:
    from collections.abc import Callable

PACKAGE = "openssh-server"
# Debian starts its service neither at the install nor later, as long as this file is there.
OFF = Path("/etc/ssh/sshd_not_to_be_run")
# Only tests of `make test` start a server: without one the demonstration is as good.
ABSENT = f"none: install {PACKAGE}, tests of `make test` need it"


def prepare(commands: Commands, tell: Callable[[str], None]) -> str:
    """Name the server that tests will start."""
    if not system.program("sshd") and system.can_install():
        tell(f"no server is here; installing {PACKAGE}. Its service stays off, by {OFF}")
        try:
            install_switched_off(lambda: system.install(commands, "ssh-packages", PACKAGE), OFF)
        except CommandError as error:
            tell(error.cause)
    return system.program("sshd") or ABSENT


def install_switched_off(install: Callable[[], None], off: Path) -> None:
    """Install a server that this machine does not run. Raises CommandError, and leaves nothing then."""
    ours = not off.exists()
    off.parent.mkdir(parents=True, exist_ok=True)
    off.touch()
    try:
        install()
    except CommandError:
        if ours:
            off.unlink()
        raise
