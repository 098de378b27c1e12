"""The Docker Engine: the one that answers, else one that is installed and started."""

from __future__ import annotations

import hashlib
import http.client
import json
import os
import socket
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import system
from commands import Commands, environment, output, tail
from steps import SetupError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

DEFAULT_HOST = "unix:///var/run/docker.sock"
LOG = Path("/var/log/dockerd.log")
PID_FILE = Path("/var/run/docker.pid")
PATIENCE = 60.0  # seconds that a started engine gets until it answers


def prepare(commands: Commands, tell: Callable[[str], None]) -> str:
    """Find an engine that answers; install and start one only where the default one was meant."""
    host = chosen_host(os.environ, Path.home() / ".docker")
    found = version(host)
    if found:
        _require_client(commands)
        return f"ready, Docker {found}"
    _refuse_unless_ours(host)
    if system.program("dockerd") is None:
        tell("none answers; installing docker.io from the distribution's packages")
        system.install(commands, "engine-packages", "docker.io", "iptables")
    found = version(host) or _start(host, commands, tell)
    return f"started, Docker {found}"


def chosen_host(variables: Mapping[str, str], home: Path) -> str:
    """Name the engine's address as the `docker` command does: variable, then context, then default."""
    if variables.get("DOCKER_HOST"):
        return variables["DOCKER_HOST"]
    config = Path(variables.get("DOCKER_CONFIG") or home)
    context = variables.get("DOCKER_CONTEXT") or _field(config / "config.json", "currentContext")
    if not context or context == "default":
        return DEFAULT_HOST
    folder = hashlib.sha256(context.encode()).hexdigest()
    meta = config / "contexts" / "meta" / folder / "meta.json"
    return _field(meta, "Endpoints", "docker", "Host") or f"context://{context}"


def version(host: str) -> str | None:
    """Ask the engine for its version; None where nothing answers."""
    if not host.startswith("unix://"):
        told = output("docker", "version", "--format", "{{.Server.Version}}")
        return told.strip() if told else None
    connection = http.client.HTTPConnection("localhost", timeout=5)
    try:
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(5)
        connection.sock.connect(host.removeprefix("unix://"))
        connection.request("GET", "/version")
        return str(json.load(connection.getresponse())["Version"])
    except PermissionError as error:
        raise SetupError(
            f"{host} refuses this user", 'sudo usermod -aG docker "$USER", then log in again'
        ) from error
    except (OSError, http.client.HTTPException, ValueError, KeyError):
        return None
    finally:
        connection.close()


def _field(file: Path, *keys: str) -> str | None:
    """Read one text out of a JSON file that may be missing or say something else."""
    try:
        value = json.loads(file.read_text())
        for key in keys:
            value = value[key]
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return value if isinstance(value, str) else None


def _require_client(commands: Commands) -> None:
    """Images are built with the `docker` command, which an engine from elsewhere may come without."""
    if system.program("docker"):
        return
    if not system.can_install():
        raise SetupError(
            "the engine answers, but there is no `docker` command", "install the Docker client"
        )
    system.install(commands, "engine-client", "docker.io")


def _refuse_unless_ours(host: str) -> None:
    if host != DEFAULT_HOST:
        raise SetupError(
            f"no Docker Engine answers at {host}",
            "docker version; or unset DOCKER_HOST, DOCKER_CONTEXT",
        )
    if not system.can_install():
        raise SetupError(
            "no Docker Engine answers",
            "install and start Docker Engine 20.10 or later, then `make setup`",
        )


def _start(host: str, commands: Commands, tell: Callable[[str], None]) -> str:
    """Start the engine by systemd where that runs, else by itself, detached from this terminal."""
    tell("starting the engine")
    if Path("/run/systemd/system").exists():
        commands.run(
            "engine-start", "systemctl", "start", "docker", following="journalctl -u docker -n 50"
        )
        return _await_answer(host, None)
    _forget_dead_engine()
    with LOG.open("ab") as log:
        daemon = subprocess.Popen(
            ["dockerd"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
            env=environment(),
        )
    return _await_answer(host, daemon)


def _forget_dead_engine() -> None:
    """Remove the note of a killed engine, if its number now belongs to another program."""
    if not PID_FILE.exists():
        return
    owner = Path("/proc") / PID_FILE.read_text().strip() / "comm"
    if not owner.exists() or owner.read_text().strip() != "dockerd":
        PID_FILE.unlink()


def _await_answer(host: str, daemon: subprocess.Popen[bytes] | None) -> str:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = version(host)
        if found:
            return found
        if daemon is not None and daemon.poll() is not None:
            raise SetupError(
                f"`dockerd` ended with {daemon.returncode}\n{tail(LOG)}", "dockerd", LOG
            )
        time.sleep(0.1)  # noqa: TID251  a real engine is waited for
    raise SetupError(
        f"the engine did not answer within {PATIENCE:.0f} s\n{tail(LOG)}", "docker version", LOG
    )
