"""What NGINX may take on, by what its container may use."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.gateway.capacity import DEAREST, Capacity, find_capacity
from orchestrator.stack.gateway import Gateway

MIB = 1024**2


def capacity(connections: int | None = None, **resources: Any) -> Capacity:
    """Return what fits into a gateway of such resources."""
    raw = {"image": "nginx", "resources": resources, "connections": connections}
    return find_capacity(Gateway.model_validate(raw))


@pytest.mark.parametrize(
    ("cpus", "workers"), [(0.1, 1), (1, 1), (1.5, 2), (2, 2), (4.0, 4), (64, 64)]
)
def test_workers_follow_from_the_cpus(cpus: float, workers: int) -> None:
    """One for each, and none for the rest of the machine's cores."""
    assert capacity(cpus=cpus, memory="4g").workers == workers


@pytest.mark.parametrize(
    ("memory", "pids", "workers"), [("32m", 512, 2), ("64m", 512, 4), ("4g", 64, 16), ("4g", 1, 1)]
)
def test_a_worker_needs_room_of_its_own(memory: str, pids: int, workers: int) -> None:
    """Many CPUs make no more workers than memory and processes have room for, twice."""
    assert capacity(cpus=64, memory=memory, pids=pids).workers == workers


@pytest.mark.parametrize("memory", [32, 64, 100, 256, 512, 1024, 4096, 65536])
@pytest.mark.parametrize("cpus", [0.5, 1, 2, 3, 16, 256])
def test_all_connections_at_their_dearest_fit_twice(memory: int, cpus: float) -> None:
    """A reload doubles them, and all else needs room as well. No color's counter refuses anybody."""
    found = capacity(cpus=cpus, memory=f"{memory}m")
    assert 2 * found.workers * found.connections * DEAREST <= memory * MIB * 2 / 3
    assert found.workers * found.connections <= 65535
    assert found.connections >= 64
    assert found.files > 2 * found.connections
    assert 2 * found.requests <= found.workers * found.connections
    assert 10 <= found.each_address < found.workers * found.connections / 2


def test_files_stay_below_what_engines_allow() -> None:
    """However much memory there is."""
    found = capacity(memory="64g", cpus=1)
    assert (found.connections, found.files) == (8000, 16384)


def test_one_address_gets_a_third_or_what_is_said() -> None:
    """With the reference stack's memory 40 people behind one address have nine requests each."""
    assert capacity(memory="512m", cpus=2) == Capacity(2, 1092, 364)
    assert capacity(memory="256m", cpus=2) == Capacity(2, 546, 182)
    assert capacity().each_address == 364
    assert capacity(memory="256m", connections=1000).each_address == 1000
    assert capacity(memory="64g", cpus=64).each_address == 65472 // 6


def test_a_zone_counts_every_client_that_can_be_there() -> None:
    """Each may come from an address of its own."""
    for memory in ("32m", "256m", "4g", "64g"):
        found = capacity(memory=memory, cpus=8)
        assert found.zone * 16_000 >= 2 * found.workers * found.connections
