"""Faults that need more than the engine's own words: processes of the host, and its disk."""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from typing import TYPE_CHECKING

import docker
import docker.utils

from orchestrator.drill.faults import (
    DEPLOYED,
    FAULTS,
    LOCK_LOST,
    REVERTED,
    UNSAFE,
    WITHOUT_GATEWAY,
    Fault,
    has_active,
    has_candidate,
)
from orchestrator.release.result import SLO_MISSED

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestrator.drill.faults import Scene
    from orchestrator.engine.values import Container

DYING = 10.0  # seconds that the kernel may take to end a process
FILLER = "filler"  # a file that takes all the room there is


def crash(container: Container | None) -> None:
    """Kill a container's first process, as the kernel does for want of memory; it is dead afterwards.

    Unlike a kill through the engine this is no wish of anybody: the engine may start it again. Its
    sockets take requests until the kernel has closed them, some milliseconds after the signal.
    """
    assert container is not None
    client = docker.APIClient(version="auto", **docker.utils.kwargs_from_env())
    process = os.pidfd_open(client.inspect_container(container.id)["State"]["Pid"])
    try:
        signal.pidfd_send_signal(process, signal.SIGKILL)
        dead, _, _ = select.select([process], [], [], DYING)
        assert dead, f"`{container.name}` outlives SIGKILL"
    finally:
        os.close(process)
        client.close()


def fill_disk(scene: Scene) -> None:
    """Leave no room for evidence."""
    filler = scene.site.house.folder / "reports" / FILLER
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(1 << 16))


def make_room(scene: Scene) -> None:
    """Take away what filled the disk."""
    (scene.site.house.folder / "reports" / FILLER).unlink()


_FROM_THE_DRILL = {"kill", "interrupt", "gateway-stop"}
MATRIX = (
    *(fault for fault in FAULTS if fault.key in _FROM_THE_DRILL),
    Fault(
        "candidate-crash",
        "crash of a candidate",
        lambda scene: crash(scene.candidate[0].container),
        (DEPLOYED, REVERTED, SLO_MISSED),
        fits=has_candidate,
        severs=True,
    ),
    Fault(
        "replica-crash",
        "crash of an active replica",
        lambda scene: crash(scene.active[0].container),
        (DEPLOYED, SLO_MISSED),
        fits=has_active,
        severs=True,
    ),
    Fault(
        "gateway-crash",
        "kill -9 of the gateway",
        lambda scene: crash(scene.seen.gateway),
        WITHOUT_GATEWAY,
        cuts=True,
    ),
    # With nowhere to write what it sees, the witness cannot testify: that is exit code 6.
    Fault("disk", "full disk", fill_disk, (DEPLOYED, REVERTED, SLO_MISSED), mend=make_room),
)


def make_engine_fault(restart: Callable[[], None]) -> Fault:
    """Return the restart of an engine as a fault."""
    return Fault(
        "engine",
        "restart of the engine",
        lambda _: restart(),
        (DEPLOYED, REVERTED, UNSAFE, LOCK_LOST, SLO_MISSED),
        cuts=True,
    )
