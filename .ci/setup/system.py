"""What this machine is, and its own packages."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

from commands import CommandError, Commands, environment

_packages = threading.Lock()  # steps run side by side, package installs do not


def takes_debian_packages(os_release: str, user: int) -> bool:
    """Tell whether packages can be installed: Debian or one of its kind, as root."""
    fields = dict(line.split("=", 1) for line in os_release.splitlines() if "=" in line)
    kinds = f"{fields.get('ID', '')} {fields.get('ID_LIKE', '')}".replace('"', "").split()
    return user == 0 and bool({"debian", "ubuntu"} & set(kinds))


def can_install() -> bool:
    """Answer the same for the machine this runs on."""
    release = Path("/etc/os-release")
    return release.exists() and takes_debian_packages(release.read_text(), os.geteuid())


def install(commands: Commands, label: str, *packages: str) -> None:
    """Install packages; the list of packages is fetched only where the one at hand is of no use."""
    apt_get = ("apt-get", "-o", "DPkg::Lock::Timeout=300")
    wanted = (*apt_get, "install", "-y", "--no-install-recommends", *packages)
    following = "apt-get update && apt-get install " + " ".join(packages)
    with _packages:
        try:
            commands.run(label, *wanted, following=following)
        except CommandError:
            commands.run(f"{label}-update", *apt_get, "update", following="apt-get update")
            commands.run(label, *wanted, following=following)


def program(name: str) -> str | None:
    """Find a program on the path that started programs get."""
    return shutil.which(name, path=environment()["PATH"])
