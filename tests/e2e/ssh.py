"""An engine that is reached over SSH, also by a line that is slow."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import socket
import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

from tests.ports import free_port
from tests.servers import Listener

MOST = 1_500  # bytes that go over a slow line at once


class Sshd:
    """An SSH server of this machine at an address that others reach, with keys of its own."""

    def __init__(self, folder: Path, program: str, host: str) -> None:
        """Start it. `folder` gets the keys, and an `ssh` in `bin/` that uses them."""
        self._folder = folder
        for key in ("host", "user", "other"):
            make = ("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key))
            subprocess.run(make, check=True)
        self.port = free_port()
        self._host = host
        settings = {
            "Port": self.port,
            "ListenAddress": host,
            "HostKey": folder / "host",
            "AuthorizedKeysFile": folder / "authorized",
            "PidFile": "none",
            "StrictModes": "no",
            "PasswordAuthentication": "no",
            "UsePAM": "no",
        }
        written = "".join(f"{name} {value}\n" for name, value in settings.items())
        (folder / "sshd_config").write_text(written)
        (folder / "config").write_text(
            f"Host *\n  IdentityFile {folder}/user\n  IdentitiesOnly yes\n"
            f"  UserKnownHostsFile {folder}/known\n"
        )
        (folder / "bin").mkdir()
        ssh = folder / "bin" / "ssh"
        ssh.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {folder}/config "$@"\n')
        ssh.chmod(0o755)
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # without its service it is not there
        self.let_in("user")
        self.process = subprocess.Popen(
            (program, "-D", "-e", "-f", str(folder / "sshd_config")), stderr=subprocess.DEVNULL
        )
        self.variables = {
            "DOCKER_HOST": f"ssh://root@{host}:{self.port}",
            "PATH": f"{ssh.parent}:{os.environ['PATH']}",
        }

    def be_known_by(self, key: str | None) -> None:
        """Have clients know it by one of the keys in the folder, at whatever port; by none, not at all."""
        known = f"[{self._host}]:* {(self._folder / f'{key}.pub').read_text()}" if key else ""
        (self._folder / "known").write_text(known)

    def let_in(self, *keys: str) -> None:
        """Let clients in who have one of these keys in the folder, and nobody else."""
        public = "".join((self._folder / f"{key}.pub").read_text() for key in keys)
        (self._folder / "authorized").write_text(public)

    def drop(self) -> None:
        """End all connections, without a word; new ones are taken."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        for pid in map(int, children.read_text().split()):
            with suppress(ProcessLookupError):  # it has ended by itself
                os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        """End it, and its connections."""
        self.process.terminate()
        self.process.wait(30)


class SlowLine(Listener):
    """A way to a port that takes its time: `delay` seconds in each direction, and so many bytes a second."""

    def __init__(self, host: str, port: int, *, delay: float, rate: float) -> None:
        """Listen at the same host."""
        super().__init__(host)
        self._to = host, port
        self._delay, self._rate = delay, rate
        self.listen()

    def _serve(self, opened: socket.socket) -> None:
        with opened as near, suppress(OSError), socket.create_connection(self._to) as far:
            back = threading.Thread(target=self._carry, args=(far, near), daemon=True)
            back.start()
            self._carry(near, far)
            back.join()

    def _carry(self, giver: socket.socket, taker: socket.socket) -> None:
        """Read no faster than the line is, and hand on what has been on its way for long enough."""
        under_way: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
        arriving = threading.Thread(target=self._arrive, args=(under_way, taker), daemon=True)
        arriving.start()
        data = b"."
        while data:
            try:
                data = giver.recv(MOST)
            except OSError:
                data = b""
            under_way.put((time.monotonic() + self._delay, data))
            time.sleep(len(data) / self._rate)  # noqa: TID251  this is how slow it is
        arriving.join()

    def _arrive(
        self, under_way: queue.SimpleQueue[tuple[float, bytes]], taker: socket.socket
    ) -> None:
        with suppress(OSError):  # whoever is gone takes nothing more
            while True:
                at, data = under_way.get()
                time.sleep(max(0.0, at - time.monotonic()))  # noqa: TID251  and how far
                if not data:
                    taker.shutdown(socket.SHUT_WR)
                    return
                taker.sendall(data)
