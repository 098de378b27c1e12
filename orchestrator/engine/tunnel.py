"""The engine's socket on another machine, forwarded to a socket here by the `ssh` that people use.

So their config, agent, jump hosts and known keys count, and no question is asked: a key that is unknown or
has changed is never taken. All connections to the engine go through one of SSH.
"""

from __future__ import annotations

import os
import select
import shutil
import signal
import subprocess
import tempfile
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from orchestrator.errors import EngineError

if TYPE_CHECKING:
    from orchestrator.engine.endpoint import Endpoint

SOCKET = "/var/run/docker.sock"  # where the address names no other
PATIENCE = 40.0  # seconds until the other machine has let us in
BEAT = 10.0  # seconds between two signs of life
SILENCE = (
    60  # seconds without one, after which that machine ends the connection, and frees the lock
)
READY = b"stackctl is here\n"
# What runs there as long as we live. A connection that is cut shows nothing there for hours.
THERE = (
    "exec sh -c 'echo stackctl is here;"
    " command -v timeout >/dev/null || exec cat >/dev/null;"
    f' while [ -n "$(timeout {SILENCE} head -c 1)" ]; do :; done; kill $PPID\''
)
HERE = 'ssh "$@"; rm -f "$0/engine.sock"; rmdir "$0"'  # ends with our end of its input
OPTIONS = {
    "BatchMode": "yes",
    "ClearAllForwardings": "no",
    "ConnectTimeout": "15",
    "ControlPath": "none",
    "ExitOnForwardFailure": "yes",
    "RequestTTY": "no",
    "ServerAliveCountMax": "6",
    "ServerAliveInterval": "5",
}
_open: dict[str, Tunnel] = {}
_lock = threading.Lock()


def open_tunnel(endpoint: Endpoint) -> Tunnel:
    """Return the tunnel to an engine; one is enough for this process. Raises EngineError."""
    with _lock:
        if endpoint.host not in _open or not _open[endpoint.host].alive:
            _open[endpoint.host] = Tunnel(endpoint)
        return _open[endpoint.host]


def find_near(endpoint: Endpoint) -> Endpoint:
    """Return where an engine is reached on this machine, where SSH leads to it. Raises EngineError."""
    if endpoint.kind != "ssh":
        return endpoint
    return replace(endpoint, host=f"unix://{open_tunnel(endpoint).socket}")


class Tunnel:
    """Lives as long as this process."""

    def __init__(self, endpoint: Endpoint) -> None:
        """Open it. Raises EngineError where the other machine lets nobody in."""
        self._told: deque[str] = deque(maxlen=20)  # what ssh complained of last
        self._listened = threading.Event()  # it has nothing more to say
        folder = tempfile.mkdtemp(prefix="stackctl-")
        self.socket = f"{folder}/engine.sock"
        self._process = subprocess.Popen(  # noqa: S603  a list of arguments
            ("sh", "-c", HERE, folder, *to_arguments(endpoint, self.socket)),  # noqa: S607
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for us: what we do then needs the engine
        )
        threading.Thread(target=self._listen, name="ssh", daemon=True).start()
        if not self._is_let_in():
            self._give_up(folder)
            raise explain(endpoint, "\n".join(self._told))
        threading.Thread(target=self._beat, name="ssh beat", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether the connection stands."""
        return self._process.poll() is None

    @property
    def complaint(self) -> str:
        """Return what ssh said last; empty where it said nothing."""
        return self._told[-1] if self._told else ""

    def _is_let_in(self) -> bool:
        """Wait for the first line of what runs there, whatever else is printed at a login."""
        output, seen = self._process.stdout, b""
        assert output is not None  # noqa: S101  it is a pipe
        deadline = time.monotonic() + PATIENCE
        while READY not in seen:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([output], [], [], left)[0]:
                self._told.append(f"it has not let us in within {PATIENCE:g} s")
                return False
            told = os.read(output.fileno(), 4096)
            if not told:
                self._listened.wait(1.0)
                return False
            seen += told
        return True

    def _give_up(self, folder: str) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)  # ssh, and the shell around it
        self._process.wait()
        shutil.rmtree(folder, ignore_errors=True)

    def _listen(self) -> None:
        complaints = self._process.stderr
        assert complaints is not None  # noqa: S101  it is a pipe
        for line in complaints:
            if text := line.decode(errors="replace").strip():
                self._told.append(text)
        self._listened.set()

    def _beat(self) -> None:
        given = self._process.stdin
        assert given is not None  # noqa: S101  it is a pipe
        with suppress(OSError):  # it has ended
            while True:
                os.write(given.fileno(), b".")
                self._listened.wait(BEAT)


def to_arguments(endpoint: Endpoint, socket: str) -> list[str]:
    """Return what ssh is called with."""
    parts = urlsplit(endpoint.address)
    options = [word for name, value in OPTIONS.items() for word in ("-o", f"{name}={value}")]
    user = ["-l", parts.username] if parts.username else []
    port = ["-p", str(parts.port)] if parts.port else []
    forward = ["-L", f"{socket}:{parts.path.rstrip('/') or SOCKET}"]
    return [*options, *forward, *user, *port, "--", parts.hostname or "", THERE]


def explain(endpoint: Endpoint, told: str) -> EngineError:
    """Return why the other machine is not reached, and what to do about that."""
    parts = urlsplit(endpoint.address)
    machine = f"{parts.username}@{endpoint.name}" if parts.username else endpoint.name
    known = f"'[{endpoint.name}]:{parts.port}'" if parts.port else endpoint.name
    login = f"ssh -p {parts.port} {machine}" if parts.port else f"ssh {machine}"
    where = f"`{endpoint.shown}`" + (
        f", which {endpoint.named_by} names," if endpoint.named_by else ""
    )
    if "IDENTIFICATION HAS CHANGED" in told:
        return EngineError(
            f"{where} shows another key than the known one: it may be another machine",
            f"only if you know why: `ssh-keygen -R {known}`, then `{login}` shows the new one",
        )
    if "Host key verification failed" in told:
        return EngineError(
            f"the key of {where} is not known here",
            f"compare it once: `{login}`; in CI write it to `~/.ssh/known_hosts`",
        )
    if "Permission denied" in told:
        return EngineError(
            f"{where} takes none of the keys that are here",
            f"`{login}` must log in without a question: `ssh-add` your key, or name it in"
            " `~/.ssh/config`",
        )
    last = told.splitlines()[-1] if told else "ssh has ended"
    return EngineError(f"{where} is not reached over SSH: {last}", f"`{login} -v` says more")
