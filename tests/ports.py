"""Ports for tests."""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import suppress
from itertools import count

FIRST = 20_000  # below what the kernel gives to those who do not ask for one
EACH = 1_000  # for one worker of a run
WORKERS = 12

_turns = count(secrets.randbelow(EACH))


def free_port() -> int:
    """Return a port of the loopback that nobody has, and that no other worker of a run is given."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % WORKERS
    while True:
        port = FIRST + worker * EACH + next(_turns) % EACH
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
