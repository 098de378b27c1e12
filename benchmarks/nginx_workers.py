"""NGINX's workers as the machine's process table has them: who they are, and what they have used."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tests.soak import host
from tests.soak.switches import list_workers

if TYPE_CHECKING:
    from collections.abc import Iterator

LOOK_EVERY = 0.2  # seconds: a worker lives longer than that


class Staff:
    """The workers of one master process: those from the beginning, and those who came since."""

    def __init__(self, master: int) -> None:
        self._master = master
        self.first = list_workers(master).accepting
        self.seen = set(self.first)

    @property
    def replaced(self) -> int:
        """Return how many came later."""
        return len(self.seen - self.first)

    def look(self) -> None:
        """Note who is there."""
        self.seen |= list_workers(self._master).accepting


@contextmanager
def watched(master: int) -> Iterator[Staff]:
    """Look at the workers while the block runs."""
    staff, over = Staff(master), threading.Event()

    def look() -> None:
        while not over.wait(LOOK_EVERY):
            staff.look()

    thread = threading.Thread(target=look, name="workers")
    thread.start()
    try:
        yield staff
    finally:
        over.set()
        thread.join()
        staff.look()


def read_cpu(master: int) -> float:
    """Return the seconds of CPU that the children of a process have used so far."""
    ticks = 0
    for pid in host.find_children(master):
        fields = (host.PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / host.TICKS
