"""How much memory NGINX's workers take, and how much disk the engine: at rest, and at most."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from tests.soak import host
from tests.soak.switches import list_workers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.operator import Operator

LOOK_EVERY = 0.2  # seconds
MIB = 2**20


class Use(NamedTuple):
    """What was in use at a moment, in MiB."""

    memory: float
    disk: float


class Gauge:
    """Looks now and then; `rest` is what it saw first, `most` the largest of each figure."""

    def __init__(self, operator: Operator, *gateways: str) -> None:
        """Look at the NGINX of these containers."""
        inspect = operator.engine.inspect_container
        self._masters = [inspect(gateway)["State"]["Pid"] for gateway in gateways]
        self._root = str(operator.engine.info()["DockerRootDir"])
        self._over = threading.Event()
        self.rest = self.most = self._look()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Look while the block runs."""
        thread = threading.Thread(target=self._watch, name="gauge")
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()

    def _watch(self) -> None:
        while not self._over.wait(LOOK_EVERY):
            self.most = Use(*map(max, self.most, self._look()))

    def _look(self) -> Use:
        pids = [*self._masters]
        for workers in map(list_workers, self._masters):
            pids += [*workers.accepting, *workers.leaving]
        disk = os.statvfs(self._root)
        used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize / MIB
        return Use(sum(host.read_memory(pid, "RssAnon") for pid in pids), used)
