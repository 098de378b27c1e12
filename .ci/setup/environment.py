"""The virtual environment: exactly what `requirements.lock` says, and the project itself."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

import system
from commands import CommandError, Commands
from steps import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable

INSTALLER = Path(__file__).with_name("installer.txt")


def prepare(root: Path, commands: Commands, tell: Callable[[str], None]) -> str:
    """Bring `.venv` to what the lock asks for; does nothing where it is there already."""
    venv, stamp = root / ".venv", root / ".venv" / "stamp"
    wanted = fingerprint(root, sys.version)
    if is_current(stamp, wanted) and (venv / "bin" / "python").exists():
        return "already current"
    stamp.unlink(missing_ok=True)
    _create(venv, commands)
    tell("installing what requirements.lock names")
    _install_locked(root, venv / "bin", commands)
    _install_project(root, venv / "bin", commands)
    stamp.write_text(wanted)
    return f"ready, Python {sys.version.split()[0]}"


def fingerprint(root: Path, python: str) -> str:
    """Digest what the environment depends on; settings of tools in pyproject.toml are not part of it."""
    project = tomllib.loads((root / "pyproject.toml").read_text())
    parts = (
        str(root),
        python,
        (root / "requirements.lock").read_text(),
        INSTALLER.read_text(),
        json.dumps([project.get("build-system"), project.get("project")], sort_keys=True),
        json.dumps(project.get("tool", {}).get("setuptools"), sort_keys=True),
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()


def is_current(stamp: Path, wanted: str) -> bool:
    """Compare with what the last complete set-up left behind."""
    return stamp.exists() and stamp.read_text() == wanted


def _create(venv: Path, commands: Commands) -> None:
    """Make an empty environment; Debian keeps the means for it in a package of its own."""
    if importlib.util.find_spec("ensurepip") is None:
        if not system.can_install():
            raise SetupError(
                "this Python has no `ensurepip`", "install your system's `python3-venv` package"
            )
        system.install(commands, "venv-package", "python3-venv")
    commands.run("venv", sys.executable, "-m", "venv", "--clear", str(venv), following="make setup")


def _install_locked(root: Path, programs: Path, commands: Commands) -> None:
    """Install with uv, which takes seconds; with pip, which takes a minute, where uv finds no way out."""
    pip = (str(programs / "pip"), "install", "--quiet", "--require-hashes", "--no-deps")
    lock = str(root / "requirements.lock")
    try:
        commands.run("venv-installer", *pip, "-r", str(INSTALLER), following="make setup")
        commands.run(
            "venv-lock",
            *_uv(programs),
            "--require-hashes",
            "--compile-bytecode",
            "-r",
            lock,
            following="make setup",
        )
    except CommandError:
        commands.run("venv-lock-pip", *pip, "-r", lock, following="make setup")


def _install_project(root: Path, programs: Path, commands: Commands) -> None:
    """Build it with what `installer.txt` has brought: isolated, a build fetches what it likes."""
    project = ("--no-deps", "--no-build-isolation", "-e", str(root))
    try:
        commands.run("venv-project", *_uv(programs), *project, following="make setup")
    except CommandError:
        pip = (str(programs / "pip"), "install", "--quiet", *project)
        commands.run(
            "venv-project-pip", *pip, following=f".venv/bin/pip install {' '.join(project)}"
        )


def _uv(programs: Path) -> tuple[str, ...]:
    return (
        str(programs / "uv"),
        "pip",
        "install",
        "--system-certs",
        "--python",
        str(programs / "python"),
    )
