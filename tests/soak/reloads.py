"""When NGINX took a new config, seen from outside: the moments at which its workers started."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.gateway.workers import Workers, parse_workers
from tests.soak import host

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOK_EVERY = 0.2  # seconds: a worker lives longer than that


class Reloads:
    """The workers that were seen."""

    def __init__(self) -> None:
        self.starts: set[float] = set()  # when each was started, on the clock of `host.now`
        self.most_leaving = 0  # that were leaving at once

    def look(self, master: int) -> None:
        """Note the workers as they are now."""
        workers = list_workers(master)
        self.most_leaving = max(self.most_leaving, len(workers.leaving))
        found = (host.read_start(pid) for pid in workers.accepting)
        self.starts |= {start for start in found if start is not None}


@contextmanager
def watched(master: int) -> Iterator[Reloads]:
    """Look at the workers while the block runs."""
    reloads, over = Reloads(), threading.Event()

    def look() -> None:
        while not over.is_set():
            reloads.look(master)
            over.wait(LOOK_EVERY)

    thread = threading.Thread(target=look, name="reloads")
    thread.start()
    try:
        yield reloads
    finally:
        over.set()
        thread.join()


def list_workers(master: int) -> Workers:
    """Return NGINX's workers by their host pids."""
    return parse_workers({pid: host.read_title(pid) for pid in host.find_children(master)})
