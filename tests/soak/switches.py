"""When users were moved, seen from outside: the moments at which the link led to another color."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from orchestrator.gateway.workers import Workers, parse_workers
from tests.soak import host

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestrator.gateway.admin import Admin
    from orchestrator.stack.model import Color

LOOK_EVERY = 0.2  # seconds
SERVICE = "app"


class Switches:
    """The switches that were seen."""

    def __init__(self, admin: Admin, master: int) -> None:
        self.times: list[float] = []  # at which the color of before was seen last, by `host.now`
        self.most_leaving = 0  # workers that were leaving at once
        self._admin = admin
        self._master = master
        self._seen: tuple[float, Color | None] = (host.now(), None)

    def look(self) -> None:
        """Note who gets the traffic now, and which workers are leaving."""
        before, had = self._seen
        now, lane = host.now(), self._admin.lane(SERVICE)
        has = lane.active.color if lane and lane.active else had
        if has != had:
            self.times.append(before)
        self._seen = (now, has)
        self.most_leaving = max(self.most_leaving, len(list_workers(self._master).leaving))


@contextmanager
def watched(admin: Admin, master: int) -> Iterator[Switches]:
    """Look at the gateway while the block runs."""
    switches, over = Switches(admin, master), threading.Event()

    def look() -> None:
        while not over.is_set():
            switches.look()
            over.wait(LOOK_EVERY)

    thread = threading.Thread(target=look, name="switches")
    thread.start()
    try:
        yield switches
    finally:
        over.set()
        thread.join()


def list_workers(master: int) -> Workers:
    """Return NGINX's workers by their host pids."""
    return parse_workers({pid: host.read_title(pid) for pid in host.find_children(master)})
