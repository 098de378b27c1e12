"""An engine of the suite's own, to be restarted: the machine's is nobody's to stop.

It must live in a network namespace of its own: in the machine's its start would take away the bridge of
the machine's engine. Whoever uses the ports that it publishes must be in there too; for all else there
is `apart`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import docker
import docker.errors
import docker.utils
import requests.exceptions

from orchestrator.clock import SystemClock, poll
from orchestrator.shell import run

if TYPE_CHECKING:
    from collections.abc import Sequence

PATIENCE = 120.0  # seconds for an engine to come or to go; a killed one first ends what it had
# A socket's path has 106 bytes at most for containerd, and pytest's folders are long. As it is root's:
SOCKETS = Path("/run")
APART = ("unshare", "--net", "--mount", "sh", "-c", 'ip link set lo up; exec "$@"', "sh")


class OwnEngine:
    """A Docker Engine with a socket and a data folder of its own."""

    def __init__(self, folder: Path, images: Sequence[str], *, apart: bool = False) -> None:
        """Take an empty folder, and images of the machine's engine that it is to have.

        With `apart` namespaces are made for it; else the caller is in one. What it mounts ends with it
        then, even where nobody is left to put things in order.
        """
        self._folder = folder
        self._sockets = Path(tempfile.mkdtemp(prefix="own-engine-", dir=SOCKETS))
        self._images = images
        self._prefix = APART if apart else ()
        self._machine = docker.APIClient(version="auto", **docker.utils.kwargs_from_env())
        self._process: subprocess.Popen[bytes] | None = None
        self.address = f"unix://{self._sockets}/docker.sock"

    def __enter__(self) -> Self:
        try:
            self.start()
            self._load()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for place in self._mounts():
            run(("umount", place), os.environ)
        shutil.rmtree(self._sockets)
        self._machine.close()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                (
                    *self._prefix,
                    "dockerd",
                    f"--data-root={self._folder}/data",
                    f"--exec-root={self._sockets}/run",
                    f"--pidfile={self._folder}/pid",
                    f"--host={self.address}",
                ),
                stdout=log,
                stderr=log,
                process_group=0,
            )
        clock = SystemClock()
        answers = poll(self._answers, clock=clock, every=0.1, within=PATIENCE)
        assert answers, f"it does not start: {(self._folder / 'log').read_text()[-2000:]}"

    def stop(self) -> None:
        """End it in order: it stops its containers, as at the shutdown of a machine."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(PATIENCE)
            self._process = None

    def kill(self) -> None:
        """End it as the kernel does that is out of memory: it puts nothing in order.

        Its containerd ends with it. Where no init buries that one, its number still looks alive, and
        the next engine would wait for it.
        """
        if self._process is not None:
            self._process.kill()
            self._process.wait(PATIENCE)
            self._process = None
            (self._sockets / "run" / "containerd" / "containerd.pid").unlink(missing_ok=True)

    def within(self, *command: str) -> tuple[str, ...]:
        """Return a command as it runs where the ports are that the engine publishes."""
        assert self._process is not None
        return ("nsenter", f"--net=/proc/{self._process.pid}/ns/net", *command)

    def restart(self) -> None:
        """Stop it and start it again."""
        self.stop()
        self.start()

    def _load(self) -> None:
        client = docker.APIClient(base_url=self.address, version="auto", timeout=300)
        for image in self._images:
            client.load_image(b"".join(self._machine.get_image(image)))  # type: ignore[no-untyped-call]
        client.close()

    def _mounts(self) -> list[str]:
        """Return what it left mounted, the last first: its data on themselves once for each kill."""
        places = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
        own = (f"{self._folder}/", f"{self._sockets}/")
        return [place for place in reversed(places) if place.startswith(own)]

    def _answers(self) -> bool | None:
        """Tell whether it answers: nothing while it may still come, False when it has ended."""
        if self._process is None or self._process.poll() is not None:
            return False
        if not (self._sockets / "docker.sock").exists():
            return None  # docker-py leaves a socket open that finds nobody
        with suppress(docker.errors.DockerException, requests.exceptions.RequestException):
            client = docker.APIClient(base_url=self.address, version="auto")
            try:
                return bool(client.ping()) or None
            finally:
                client.close()
        return None
