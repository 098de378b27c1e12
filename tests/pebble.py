"""A certificate authority of this machine: Let's Encrypt's own for tests, from Debian's package."""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import subprocess
import urllib.request
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING, Self

import pytest

from orchestrator.certificates.account import CHALLENGES
from orchestrator.clock import SystemClock, poll
from tests.fakes.authority import Authority
from tests.ports import free_port
from tests.servers import HttpServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType

PATIENCE = 20.0  # seconds


class Pebble:
    """An authority for which every name leads to 127.0.0.1, at a port of the test's."""

    def __init__(self, folder: Path, port: int, refused: int = 0, valid: int = 90 * 86400) -> None:
        """It looks at `port`, refuses so many percent of all nonces, and certifies for `valid` seconds."""
        self._folder = folder
        self._started: list[subprocess.Popen[bytes]] = []
        self.port, self.management, self._names = free_port(), free_port(), free_port()
        self.records = free_port()  # where records of names are changed
        self.directory = f"https://localhost:{self.port}/dir"
        self.trusted = folder / "pebble-root.pem"
        own = Authority(datetime.now(UTC))
        self.trusted.write_bytes(own.root.pem)
        files = own.issue("localhost").write(folder, "pebble")
        self.own = str(folder / files["certificate"]), str(folder / files["key"])
        (folder / "pebble.json").write_text(
            json.dumps(
                {
                    "pebble": {
                        "listenAddress": f"127.0.0.1:{self.port}",
                        "managementListenAddress": f"127.0.0.1:{self.management}",
                        "certificate": self.own[0],
                        "privateKey": self.own[1],
                        "httpPort": port,
                        "tlsPort": free_port(),
                        "certificateValidityPeriod": valid,
                    }
                }
            )
        )
        self._environment = {
            **os.environ,
            "PEBBLE_VA_NOSLEEP": "1",
            "PEBBLE_WFE_NONCEREJECT": str(refused),
            "PEBBLE_AUTHZREUSE": "0",
        }

    def __enter__(self) -> Self:
        if shutil.which("pebble") is None:
            pytest.skip("pebble is not installed")
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start it, with all that it knew forgotten."""
        names, changes = f"127.0.0.1:{self._names}", f"127.0.0.1:{self.records}"
        off = [f"-{each}=" for each in ("http01", "https01", "tlsalpn01", "defaultIPv6")]
        self._run("pebble-challtestsrv", "-dns01", names, "-management", changes, *off)
        config = str(self._folder / "pebble.json")
        self._run("pebble", "-config", config, "-dnsserver", names, "-strict")
        try:
            served = poll(self._serves, clock=SystemClock(), every=0.05, within=PATIENCE)
            assert served, "pebble does not answer"
        except AssertionError:
            self.stop()
            raise

    def stop(self) -> None:
        """End it."""
        for process in self._started:
            process.kill()
            process.wait()
        self._started.clear()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Have it take connections, and say nothing, for a while."""
        self._tell(signal.SIGSTOP)
        try:
            yield
        finally:
            self._tell(signal.SIGCONT)

    def root(self) -> bytes:
        """Return the root of what it issues, as PEM."""
        return self._get(f"https://localhost:{self.management}/roots/0")

    def _tell(self, what: signal.Signals) -> None:
        for process in self._started:
            process.send_signal(what)

    def _serves(self) -> bool | None:
        try:
            return bool(self._get(self.directory)) or None
        except OSError:
            assert all(process.poll() is None for process in self._started), "pebble has ended"
            return None

    def _get(self, url: str) -> bytes:
        trust = ssl.create_default_context(cafile=str(self.trusted))
        with urllib.request.urlopen(url, context=trust, timeout=5) as answer:  # noqa: S310
            found: bytes = answer.read()
            return found

    def _run(self, *command: str) -> None:
        with (self._folder / f"{command[0]}.log").open("ab") as log:
            self._started.append(
                subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=self._environment
                )
            )


class Answers(HttpServer):
    """What the gateway's config does, without a gateway: answers any challenge by a key's print."""

    def __init__(self, printed: str) -> None:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                token = self.path.removeprefix(CHALLENGES)
                self.send_response(200)
                self.end_headers()
                self.wfile.write(f"{token}.{printed}".encode())

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        super().__init__(Handler)
